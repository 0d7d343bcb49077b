import asyncio
from collections.abc import AsyncIterable

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class PatientStream(StreamingResponse):
    """Breaks off where the reader takes a piece in more than `send_seconds`, or all in more than `all_seconds`.

    What is broken off has no end, and the server closes its connection, so that nobody takes it for complete.
    """

    def __init__(
        self, pieces: AsyncIterable[str], media_type: str, *, send_seconds: float, all_seconds: float
    ) -> None:
        super().__init__(pieces, media_type=media_type)
        self._send_seconds = send_seconds
        self._all_seconds = all_seconds

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._send_seconds):
                await send(message)

        try:
            async with asyncio.timeout(self._all_seconds):
                await super().stream_response(send_in_time)
        except TimeoutError:
            _log.warning("answer_broken_off", reason="the reader is too slow")
