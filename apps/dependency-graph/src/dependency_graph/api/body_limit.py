from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from problem_details import ProblemKind

LARGEST_BODY = 10 * 1024 * 1024
_TOO_LARGE = f"A body has at most {LARGEST_BODY:,} bytes; send the rest in further requests."
TOO_LARGE = ProblemKind(413, "content-too-large", "Content too large", _TOO_LARGE)


class ContentTooLarge(HTTPException):
    """A body turned out to be too long while it was read; FastAPI lets exceptions of this kind through."""

    def __init__(self) -> None:
        super().__init__(413, _TOO_LARGE)


class BodyLimit:
    """Refuses larger bodies with 413: announced ones at once, others as soon as they are too long.

    Those of requests that are `unlimited` pass; they are read in parts.
    """

    def __init__(self, app: ASGIApp, unlimited: Callable[[Scope], bool] = lambda _: False) -> None:
        self.app = app
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._unlimited(scope):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http" and _announced(scope) > LARGEST_BODY:
            await TOO_LARGE.problem(ContentTooLarge()).response(scope)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise ContentTooLarge
            return message

        await self.app(scope, receive_within_limit, send)


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
