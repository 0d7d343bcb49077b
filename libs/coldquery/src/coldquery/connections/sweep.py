import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Counter

EVERY_SECONDS = 5.0
STOP_SECONDS = 10.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

sweep_failures = Counter(
    "coldquery_sweep_failures", "Rounds of the sweep of sessions and cursors that broke off"
)


class Sweep:
    """Ends what was idle for too long, every few seconds from `start` to `stop`."""

    def __init__(
        self, rounds: Sequence[Callable[[], Awaitable[None]]], *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._rounds = rounds
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ten seconds at the most."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=STOP_SECONDS)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            for one in self._rounds:
                try:
                    await one()
                except Exception:  # noqa: BLE001  # where a round of the loop ends
                    sweep_failures.inc()
                    _log.exception("sweep_broke_off")
