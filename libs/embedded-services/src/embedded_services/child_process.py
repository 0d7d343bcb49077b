import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import IO

from embedded_services.parent_death import OWN_USER, dies_with_parent

KILL_AFTER_SECONDS = 8.0
REAP_SECONDS = 2.0


class ChildProcess:
    """A running command that dies with this process, its output appended to a log.

    It leads a session of its own, so that Ctrl-C reaches this process only, which then stops things in order.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        folder: Path,
        log: IO[bytes],
        stdin: bytes = b"",
        death_signal: signal.Signals = signal.SIGKILL,
        identity: str = OWN_USER,
    ) -> None:
        def launch() -> subprocess.Popen[bytes]:
            with _pipe_holding(stdin) as pipe:
                return subprocess.Popen(  # noqa: S603  # our own servers, and no shell
                    dies_with_parent(command, death_signal, identity),
                    cwd=folder,
                    env=server_environment(),
                    stdin=pipe,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

        self._process = _start_in_thread_of_its_own(launch)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, minus the signal if one ended the process; None while it runs."""
        return self._process.poll()

    def stop(self, polite: signal.Signals, kill_after: float = KILL_AFTER_SECONDS) -> None:
        """Send `polite`, and kill what has not ended `kill_after` seconds later."""
        self._process.send_signal(polite)
        try:
            self._process.wait(kill_after)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_SECONDS)


def server_environment() -> dict[str, str]:
    """This process's environment without what libpq and PostgreSQL would take as settings from it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # Log lines and error texts in one known language; and PostgreSQL on macOS wants a valid locale.
    return own | {"LC_ALL": "C.UTF-8"}


def _pipe_holding(content: bytes) -> IO[bytes]:
    """A pipe to read `content` from, which must be short enough (4 KiB) to wait in it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    return os.fdopen(reading, "rb")


def _start_in_thread_of_its_own(launch: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Linux ends a child with the thread that started it: a pool's idle worker would take it along."""
    started: Future[subprocess.Popen[bytes]] = Future()
    threading.Thread(target=_keep, args=(launch, started), daemon=True).start()
    return started.result()


def _keep(launch: Callable[[], subprocess.Popen[bytes]], started: Future[subprocess.Popen[bytes]]) -> None:
    try:
        process = launch()
    except OSError as error:
        started.set_exception(error)
        return
    started.set_result(process)
    process.wait()
