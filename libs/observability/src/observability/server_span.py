from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Self

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    format_trace_id,
    set_span_in_context,
)
from starlette.types import Scope

from observability.child_spans import opening_child_spans
from observability.redaction import redact_text
from observability.trace_context import TraceParent, within_trace

_SERVER_ERRORS = 500
_LONGEST_STATE = 512


def remote_context(scope: Scope, parent: TraceParent | None) -> Context:
    """The context of the caller's span, with what it says in `tracestate`; an empty one without a caller."""
    if parent is None:
        return Context()
    told = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"tracestate")
    caller = SpanContext(
        int(parent.trace_id, 16),
        int(parent.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=TraceState.from_header([told] if len(told) <= _LONGEST_STATE else []),
    )
    return set_span_in_context(NonRecordingSpan(caller), Context())


class ServerSpan:
    """The span of one request, by the semantic conventions for HTTP servers.

    The query string is not in it: it may hold what is nobody's business.
    """

    def __init__(self, span: Span, tracer: Tracer, scope: Scope) -> None:
        self._span = span
        self._tracer = tracer
        self._context = set_span_in_context(span, Context())
        span.set_attributes(_what_is_asked(scope))

    def answered(self, method: str, route: str | None, status: int) -> None:
        """`route` is the template of the route, or None where no route was found."""
        self._span.update_name(f"{method} {route}" if route else method)
        self._span.set_attributes({"http.request.method": method, "http.response.status_code": status})
        if route:
            self._span.set_attribute("http.route", route)
        if status >= _SERVER_ERRORS:
            _fail(self._span, str(status))

    @contextmanager
    def recording(self) -> Generator[Self]:
        """The request is answered inside; `child_span` and the log know of this span, which ends with it."""
        trace_id = format_trace_id(self._span.get_span_context().trace_id)
        with _ended(self._span), within_trace(trace_id, sampled=True), opening_child_spans(self._child):
            yield self

    def _child(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        return _ended(self._tracer.start_span(name, self._context, SpanKind.CLIENT, attributes))


@contextmanager
def _ended(span: Span) -> Generator[None]:
    try:
        yield
    except BaseException as error:
        # Only the type: the text of an error may hold anything.
        _fail(span, type(error).__qualname__)
        raise
    finally:
        span.end()


def _fail(span: Span, error_type: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error_type)


def _what_is_asked(scope: Scope) -> dict[str, str | int]:
    asked: dict[str, str | int] = {
        "url.scheme": scope.get("scheme", "http"),
        "url.path": redact_text(scope["path"]),
        "network.protocol.version": scope["http_version"],
    }
    if scope.get("server"):
        asked["server.address"], asked["server.port"] = scope["server"][0], scope["server"][1] or 0
    if scope.get("client"):
        asked["client.address"] = scope["client"][0]
    for name, value in scope["headers"]:
        if name == b"user-agent":
            asked["user_agent.original"] = redact_text(value.decode("latin-1"))
    return asked
