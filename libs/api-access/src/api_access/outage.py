from collections.abc import Callable
from time import monotonic

import structlog

_log = structlog.get_logger()
_PROBE_SECONDS = 1.0


class Outage:
    """Whether a server that can be done without is away; while it is, one request a second asks it.

    Ask `may_ask` first, then tell how it went. `gone` and `back` are what is logged, each once for an outage.
    """

    def __init__(self, gone: str, back: str, clock: Callable[[], float] = monotonic) -> None:
        self._gone = gone
        self._back = back
        self._clock = clock
        self._probe_at: float | None = None

    def may_ask(self) -> bool:
        """Whether the caller may ask the server; while that is away, the caller is then its probe."""
        if self._probe_at is None:
            return True
        now = self._clock()
        if now < self._probe_at:
            return False
        self._probe_at = now + _PROBE_SECONDS
        return True

    def note_failure(self, error: Exception) -> None:
        """The server did not answer, or not as it should."""
        if self._probe_at is None:
            # The type alone: a driver's text may hold the address with its password.
            _log.warning(self._gone, error=type(error).__name__)
        self._probe_at = self._clock() + _PROBE_SECONDS

    def note_success(self) -> None:
        """The server answered."""
        if self._probe_at is not None:
            _log.info(self._back)
            self._probe_at = None
