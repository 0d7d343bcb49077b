import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from observability.log_filters import CutOffInOneLine
from observability.redaction import redact

# Redaction comes last, so that a secret in a traceback or in an argument is masked as well.
_PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    redact,
]


def configure_logging(level: str = "INFO", stream: TextIO = sys.stderr) -> None:
    """Send structlog and the standard library's loggers to `stream`: readable on a terminal, JSON otherwise.

    Levels are the standard library's names. Every line passes the redaction.
    """
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*_PROCESSORS, renderer],
        # Not by way of the standard library, which takes several times as long for a line.
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(level, stream, renderer)


def _route_standard_logging(level: str, stream: TextIO, renderer: Processor) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_PROCESSORS],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.error").filters = [CutOffInOneLine()]
    # httpx writes a line for each request of a client, at the level of our own lines for each one served; httpcore
    # writes the headers of each answer, cookies and all.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel("WARNING")
