import time
from collections.abc import Callable

import pytest

WITHIN_SECONDS = 120


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {WITHIN_SECONDS} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds, at most two minutes: a start takes several on a busy machine."""
    return wait_until
