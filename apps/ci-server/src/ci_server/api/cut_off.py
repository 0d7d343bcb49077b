import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from problem_details import Problem

_WAIT_SECONDS = 0.5


class CutOff:
    """Answers 503 to requests that the end of the process cuts off before their answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self._under_way += 1
        try:
            await self._app(scope, receive, send_on)
        except asyncio.CancelledError:
            if not begun:
                await _stopping().response(scope)(scope, receive, send)
            raise
        finally:
            self._under_way -= 1

    async def wait(self) -> None:
        """Let those that are being answered end; half a second at the most, as a server waits for none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_SECONDS):
                while self._under_way:  # noqa: ASYNC110  # an event would cost every request
                    await asyncio.sleep(0.01)


def _stopping() -> Problem:
    detail = "The server was stopped before it could answer. Send the request again."
    return Problem(503, "Server is stopping", detail, slug="service-stopping", headers={"Retry-After": "1"})
