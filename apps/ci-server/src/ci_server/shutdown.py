import asyncio
from collections.abc import Awaitable, Callable

import structlog

STOP_SECONDS = 5.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Shutdown:
    """Ends the parts of a service all at once, and gives up after 5 s; what fails in one is logged."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], Awaitable[object]]] = []

    def add(self, end: Callable[[], Awaitable[object]]) -> None:
        self._ends.append(end)

    async def run(self) -> None:
        tasks = [asyncio.ensure_future(_logged(end)) for end in self._ends]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()


async def _logged(end: Callable[[], Awaitable[object]]) -> None:
    try:
        await end()
    except Exception:  # noqa: BLE001  # where a part of the process ends
        _log.exception("shutdown_broke")
