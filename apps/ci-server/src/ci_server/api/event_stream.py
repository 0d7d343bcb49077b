import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from prometheus_client import Gauge
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

SEND_SECONDS = 180
"""For a reader to take anything of what it is sent."""

STREAMS = Gauge("ci_streams_open", "Streams of events that are being read", multiprocess_mode="livesum")

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class EventStream(StreamingResponse):
    """Server-sent events, until they end or the reader leaves, or takes nothing for three minutes."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._events = events

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send(message)
            except TimeoutError:
                raise _TooSlow from None

        with STREAMS.track_inprogress():
            try:
                async with aclosing(self._events):
                    await super().stream_response(send_in_time)
            except _TooSlow:
                _log.warning("stream_broken_off", reason="the reader takes nothing")


class _TooSlow(Exception):
    pass
