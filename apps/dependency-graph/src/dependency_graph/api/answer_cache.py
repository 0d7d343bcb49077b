from typing import NamedTuple

from cachetools import LRUCache
from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CACHED_BYTES = 64 * 1024 * 1024

_lookups = Counter("response_cache_lookups_total", "Queries looked up in the response cache", ["result"])


class _Answer(NamedTuple):
    etag: bytes
    start: Message
    body: Message
    route: object


class AnswerCache:
    """Gives the answer to a query again, as bytes, for as long as the graph stays as it is.

    What may be kept is what the routes mark with an `ETag` that starts with the graph's generation. The
    generation is asked for at every request, so an answer is never older than the last write.
    """

    def __init__(self, app: ASGIApp, cached_bytes: int = CACHED_BYTES) -> None:
        self._app = app
        self._answers: LRUCache[tuple[str, bytes], _Answer] = LRUCache(cached_bytes, getsizeof=_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith("/dependencies"):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"])
        answer = self._answers.get(key)
        if answer and answer.etag.startswith(b'"%d-' % await scope["state"]["resources"].reader.generation()):
            _lookups.labels("hit").inc()
            # Outer layers look into the scope for the route, and change messages by making new ones.
            scope["route"] = answer.route
            await _send(answer, _wanted(scope), send)
        else:
            _lookups.labels("miss").inc()
            await self._app(scope, receive, self._keeping(key, scope, send))

    def _keeping(self, key: tuple[str, bytes], scope: Scope, send: Send) -> Send:
        start: Message = {}

        async def keep(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = dict(message)
            elif start["status"] == 200 and not message.get("more_body"):  # noqa: PLR2004  # OK
                etag = dict(start["headers"]).get(b"etag")
                if etag and len(message["body"]) < self._answers.maxsize:
                    self._answers[key] = _Answer(etag, start, message, scope.get("route"))
            await send(message)

        return keep


def _size(answer: _Answer) -> int:
    return len(answer.body["body"]) + 1000


def _wanted(scope: Scope) -> bytes | None:
    """The ETag that the client has already."""
    return next((value for name, value in scope["headers"] if name == b"if-none-match"), None)


async def _send(answer: _Answer, known: bytes | None, send: Send) -> None:
    if known is not None and answer.etag in known:
        await send({"type": "http.response.start", "status": 304, "headers": [(b"etag", answer.etag)]})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send(answer.start)
        await send(answer.body)
