from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from cachetools import LRUCache
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dependency_graph.api.etag import is_known, is_of
from dependency_graph.application.queries import GraphReader
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable

CACHED_BYTES = 48 * 1024 * 1024
"""In each process."""

_OVERHEAD_BYTES = 1000


class _Answer(NamedTuple):
    etag: str
    start: Message
    body: Message
    route: object
    size: int
    """In bytes, with what leads to it."""


class AnswerCache:
    """Gives the answer to a query again, as bytes, for as long as the graph stays as it is.

    What may be kept is what the routes mark with an `ETag` of the graph's version. That is
    asked for at every request, so an answer is never older than the last write. `on_hit` is
    called for each answer that is given again.
    """

    def __init__(
        self, app: ASGIApp, on_hit: Callable[[], None] = lambda: None, cached_bytes: int = CACHED_BYTES
    ) -> None:
        self._app = app
        self._on_hit = on_hit
        self._answers: LRUCache[tuple[str, bytes], _Answer] = LRUCache(
            cached_bytes, getsizeof=attrgetter("size")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith("/dependencies"):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"])
        answer = self._answers.get(key)
        if answer and await _is_current(answer, scope["state"]["resources"].reader):
            self._on_hit()
            # Outer layers look into the scope for the route, and change messages by making new ones.
            scope["route"] = answer.route
            await _send(answer, scope, send)
        else:
            await self._app(scope, receive, self._keeping(key, scope, send))

    def _keeping(self, key: tuple[str, bytes], scope: Scope, send: Send) -> Send:
        start: Message = {}

        async def keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = dict(message)
            elif start["status"] == 200 and not message.get("more_body"):  # noqa: PLR2004  # OK
                size = len(message["body"]) + len(key[0]) + len(key[1]) + _OVERHEAD_BYTES
                etag = dict(start["headers"]).get(b"etag")
                if etag and size <= self._answers.maxsize:
                    self._answers[key] = _Answer(etag.decode(), start, message, scope.get("route"), size)
            await send(message)

        return keep


async def _is_current(answer: _Answer, reader: GraphReader) -> bool:
    try:
        return is_of(answer.etag, await reader.version())
    except (GraphUnavailable, GraphBusy):
        # The route will find out too, and knows how to say it.
        return False


async def _send(answer: _Answer, scope: Scope, send: Send) -> None:
    known = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    if known and is_known(answer.etag, known):
        headers = [(b"etag", answer.etag.encode())]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send(answer.start)
        await send(answer.body)
