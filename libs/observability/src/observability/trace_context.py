"""The trace that a request belongs to, as W3C Trace Context tells it: https://www.w3.org/TR/trace-context/."""

import re
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import NamedTuple

import structlog

# Of version 00 exactly; a later version may say more behind it. Ids of zeros alone and version ff are void.
_TRACEPARENT = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})"
    rb"-(?!0{16})(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = 1
_NO_TRACE = nullcontext()

_sampled_trace: ContextVar[str | None] = ContextVar("sampled_trace", default=None)


class TraceParent(NamedTuple):
    """What a caller says of the span from which it calls; ids are lower-case hexadecimal."""

    trace_id: str
    parent_id: str
    flags: int

    @property
    def sampled(self) -> bool:
        return bool(self.flags & _SAMPLED)

    @classmethod
    def parse(cls, header: bytes) -> "TraceParent | None":
        """The value of a `traceparent` header; None where it is malformed, which is then as if it were absent."""
        found = _TRACEPARENT.fullmatch(header.strip(b" \t"))
        if found is None or (found["version"] == b"00" and found["more"] is not None):
            return None
        return cls(found["trace"].decode(), found["parent"].decode(), int(found["flags"], 16))


def sampled_trace_id() -> str | None:
    """The id of the trace that records what runs now, for exemplars; None where none does."""
    return _sampled_trace.get()


@contextmanager
def within_trace(trace_id: str, *, sampled: bool) -> Generator[None]:
    """Put `trace_id` into every log line inside, and into exemplars where the trace is recorded."""
    bound = structlog.contextvars.bind_contextvars(trace_id=trace_id)
    token = _sampled_trace.set(trace_id if sampled else None)
    try:
        yield
    finally:
        _sampled_trace.reset(token)
        structlog.contextvars.reset_contextvars(**bound)


def within_parent(parent: TraceParent | None) -> AbstractContextManager[None]:
    """`within_trace` of the caller's trace, if there is one."""
    return within_trace(parent.trace_id, sampled=parent.sampled) if parent else _NO_TRACE
