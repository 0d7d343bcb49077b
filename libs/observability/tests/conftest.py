import io
import logging
from collections.abc import Generator

import pytest
import structlog

from observability import configure_logging


@pytest.fixture
def log() -> Generator[io.StringIO]:
    """What is logged, as lines of JSON."""
    stream = io.StringIO()
    before, level = logging.root.handlers[:], logging.root.level
    configure_logging("INFO", stream)
    yield stream
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    structlog.reset_defaults()
