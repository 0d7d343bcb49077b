"""What is left of a run without a sandbox whose shim was killed: its descendants have another parent now."""

import os
import signal
import time
from contextlib import suppress

MARK = "CI_RUN"
"""In the environment of every process of a run: its name."""
ROUNDS = 50
PAUSE_SECONDS = 0.01


def kill_leftovers(name: str) -> None:
    """Kill all processes that have the name of the run in their environment. Blocks, for half a second at most."""
    for _ in range(ROUNDS):
        found = [process for process in _processes() if _is_of(process, name)]
        if not found:
            return
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _is_of(process: int, name: str) -> bool:
    try:
        with open(f"/proc/{process}/environ", "rb") as environ:  # noqa: PTH123  # thousands of them
            return f"{MARK}={name}".encode() in environ.read().split(b"\0")
    except OSError:
        return False
