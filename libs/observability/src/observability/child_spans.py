from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Opener = Callable[[str, Mapping[str, str | int]], AbstractContextManager[None]]
"""Opens a span of that name, with those attributes, below the span of the request."""

_opener: ContextVar[Opener | None] = ContextVar("opener_of_child_spans", default=None)
_NOT_TRACED = nullcontext()


def child_span(name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
    """A span around a part of the work for a request, such as a question to a database.

    Where the request is not traced it is nothing, and costs as much. Attributes are for all to read: no
    parameters, no secrets.
    """
    opener = _opener.get()
    return opener(name, attributes) if opener else _NOT_TRACED


@contextmanager
def opening_child_spans(opener: Opener) -> Generator[None]:
    """Inside, `child_span` makes spans by `opener`."""
    token = _opener.set(opener)
    try:
        yield
    finally:
        _opener.reset(token)
