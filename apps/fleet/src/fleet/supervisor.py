import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from embedded_services import dies_with_parent
from fleet.errors import FleetError

STOP_WITHIN_SECONDS = 9.0
LOOK_EVERY_SECONDS = 0.2
LOG_LINES_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that must not end while Fleet is up."""

    name: str
    log: Path
    exit_code: Callable[[], int | None]


class Supervisor:
    """The child processes of `fleet up`, each with its log in `logs`; they die with this process.

    Call it from the main thread: Linux ends a child with the thread that started it.
    """

    def __init__(self, logs: Path, stop_within: float = STOP_WITHIN_SECONDS) -> None:
        self._logs = logs
        self._stop_within = stop_within
        self._children: list[subprocess.Popen[str]] = []
        self._watched: list[Watched] = []

    def watch(self, watched: Watched) -> None:
        """Take what somebody else starts and stops among those that must not end."""
        self._watched.append(watched)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `command` and let it run, its output in `<name>.log`."""
        child = self._launch(name, command, environment)
        self.watch(Watched(name, self._log(name), child.poll))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run `command` to its end for its standard output; the rest is in `<name>.log`.

        Raises FleetError if it fails.
        """
        child = self._launch(name, command, environment, stdout=subprocess.PIPE)
        output, _ = child.communicate()
        self._children.remove(child)
        if child.returncode != 0:
            _fail(name, child.returncode, self._log(name))
        return output

    def check(self) -> None:
        """Raise FleetError if something that must not end has ended."""
        for watched in self._watched:
            code = watched.exit_code()
            if code is not None:
                _fail(watched.name, code, watched.log)

    def wait(self) -> NoReturn:
        """Wait until something ends that must not, and raise FleetError then."""
        while True:
            self.check()
            time.sleep(LOOK_EVERY_SECONDS)

    def stop(self) -> None:
        """Stop the children together, with SIGTERM; kill what is left after 9 s, workers of theirs too."""
        running = [child for child in self._children if child.poll() is None]
        for child in running:
            child.terminate()
        deadline = time.monotonic() + self._stop_within
        for child in running:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def _launch(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        stdout: int | None = None,
    ) -> subprocess.Popen[str]:
        with self._log(name).open("a") as log:
            child = subprocess.Popen(  # noqa: S603  # our own services, and no shell
                dies_with_parent(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                text=True,
                # Ctrl-C is for this process, which stops the others in order.
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _fail(what: str, exit_code: int, log: Path) -> NoReturn:
    how = f"exit code {exit_code}"
    if exit_code < 0:
        how = f"signal {-exit_code} ({signal.strsignal(-exit_code)})"
    last = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:] if log.exists() else []
    raise FleetError("\n".join((f"{what} ended with {how}. The end of its log, {log}:", *last)))
