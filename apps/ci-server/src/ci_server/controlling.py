"""The process that runs jobs and answers no requests."""

import asyncio
import signal

import structlog

from ci_server.background import Background
from ci_server.settings import Settings

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def control(settings: Settings) -> None:
    """Run jobs until a signal to end comes. Raises OSError as `Background.start`."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    background = Background(settings)
    try:
        await background.start()
        _log.info("controller_started")
        await ended.wait()
    finally:
        await background.stop()
