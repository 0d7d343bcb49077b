"""The log of commands: on standard error, and set up when there is a line for it, as that takes its time."""

import logging
import sys

from fleet_metadata.settings import Settings


def set_up_log(settings: Settings) -> None:
    """Have what is logged from now on written as everywhere in Fleet. May be called again.

    To be called after what may log with structlog was loaded, whose lines would go to standard output.
    """
    # Who asks for one thing wants no news of all that works.
    level = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
    if "structlog" in sys.modules:
        _set_up(level)
    else:
        logging.basicConfig(level=level, handlers=[_SetUpAtFirstLine(level)])


def _set_up(level: str) -> None:
    from observability import configure_logging

    configure_logging(level, sys.stderr)


class _SetUpAtFirstLine(logging.Handler):
    def __init__(self, level: str) -> None:
        super().__init__()
        self._level = level

    def emit(self, record: logging.LogRecord) -> None:
        # Which takes the place of this handler.
        _set_up(self._level)
        logging.getLogger().handle(record)
