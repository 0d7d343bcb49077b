from collections.abc import Awaitable, Callable

import structlog

from ci_server.domain.errors import StorageUnavailable
from ci_server.running.controller_metrics import failures_total
from ci_server.running.runner import RunnerAway

_FORESEEN = (RunnerAway, StorageUnavailable, OSError)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Outliving:
    """Work that is done again and again, whatever becomes of it: failures are counted, and told when they are new."""

    def __init__(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        self._part = part
        self._work = work
        self._trouble: str | None = None

    async def once(self) -> bool:
        """Do the work, and raise nothing; whether it could be done."""
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001  # where a round of work ends
            failures_total.labels(self._part).inc()
            self._tell(error)
            return False
        self._tell_of_the_end()
        return True

    def _tell(self, error: Exception) -> None:
        if self._trouble != str(error):
            unforeseen = None if isinstance(error, _FORESEEN) else error
            _log.error("controller_waits", part=self._part, why=str(error), exc_info=unforeseen)
        self._trouble = str(error)

    def _tell_of_the_end(self) -> None:
        if self._trouble is not None:
            _log.info("controller_goes_on", part=self._part)
        self._trouble = None
