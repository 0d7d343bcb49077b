from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from fleet_metadata.collection.board import Board

_PATH = "/metadata"
_NOT_SO_QUICK = frozenset({b"if-none-match"})


@dataclass(frozen=True, slots=True)
class _Route:
    """What metrics are told of the route that was taken."""

    path_format: str


_ROUTE = _Route(_PATH)


class QuickAnswer:
    """Gives a crowd that reads all metadata the answer that is at hand, past routing; the rest goes on to `app`."""

    def __init__(self, app: ASGIApp, board: Board) -> None:
        self._app = app
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._board.shared() if _asks_for_all(scope) else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        headers = [
            (b"content-length", b"%d" % len(answer.body)),
            (b"content-type", b"application/json"),
            (b"etag", answer.etag.encode()),
            (b"cache-control", b"no-cache"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _asks_for_all(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"] == _PATH
        and scope["method"] == "GET"
        and not scope["query_string"]
        and not any(name in _NOT_SO_QUICK for name, _ in scope["headers"])
    )
