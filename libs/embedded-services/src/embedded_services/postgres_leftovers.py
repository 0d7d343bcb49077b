import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GONE_WITHIN_SECONDS = 5.0
POLL_SECONDS = 0.02


def end_leftovers(pgdata: Path) -> None:
    """Kill what a killed server left running on `pgdata`, and forget the process id that it wrote there.

    That number may be another process's by now, and PostgreSQL would wait for the end of that. The caller
    holds the data folder, so that no server on it is rightly alive. Without /proc, PostgreSQL's own check
    has to do.
    """
    if not Path("/proc/self/cwd").exists() or not pgdata.exists():
        return
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while (leftovers := list(_processes_on(pgdata.resolve()))) and time.monotonic() < deadline:
        for process in leftovers:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    (pgdata / "postmaster.pid").unlink(missing_ok=True)


def _processes_on(pgdata: Path) -> Iterator[int]:
    """The PostgreSQL processes whose working folder is `pgdata`: the server enters it, backends inherit it."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        # Processes end while one looks, and those of other users do not show their folder.
        with suppress(OSError):
            if link.readlink() == pgdata and link.with_name("exe").readlink().name == "postgres":
                yield int(link.parent.name)
