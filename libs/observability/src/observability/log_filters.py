import asyncio
import logging
from collections.abc import Callable
from time import monotonic


class Seldom(logging.Filter):
    """Lets a line through, and the next after `seconds`: for a library that says the same over and over."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._silent_until = clock()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # the name is logging's
        now = self._clock()
        if now < self._silent_until:
            return False
        self._silent_until = now + self._seconds
        return True


class CutOffInOneLine(logging.Filter):
    """Says in one line what a traceback would say of each request that is cut off when the service stops."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            record.msg, record.args, record.exc_info = "request cut off, as the service stops", (), None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
