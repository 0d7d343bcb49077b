"""A `fleet up` that is run as users do."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import psutil

Eventually = Callable[[Callable[[], bool]], None]
# What the machine's own environment has is not to be tested.
NOTHING_GIVEN = {"DATABASE_URL": "", "REDIS_URL": "", "METADATA_FOLDER": "", "FLEET_METADATA_TOKEN": ""}
STOPPED_WITHIN_SECONDS = 30


class RunningFleet:
    """A real `fleet up`, in a process group of its own, and all processes that descend from it."""

    def __init__(
        self,
        output: Path,
        data_dir: Path,
        options: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        wait: Eventually,
    ) -> None:
        self.data_dir = data_dir
        self._eventually = wait
        self._output = output
        self._seen: set[psutil.Process] = set()
        command = [sys.executable, "-m", "fleet", "up", "--data-dir", str(data_dir)]
        any_ports = ["--graph-port", "0", "--metadata-port", "0", "--ci-port", "0", "--sql-port", "0"]
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [*command, *any_ports, *options],
                env={**os.environ, **NOTHING_GIVEN, **environment},
                cwd=folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_up(self, words: str = "Ctrl-C stops everything") -> None:
        self._eventually(lambda: words in self.output or self._process.poll() is not None)
        assert self._process.poll() is None, self.output
        self.look()

    def look(self) -> set[psutil.Process]:
        """The processes below it, which `is_gone` looks for later."""
        self._seen |= set(psutil.Process(self._process.pid).children(recursive=True))
        return self._seen

    def press_ctrl_c(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self) -> int:
        return self._process.wait(STOPPED_WITHIN_SECONDS)

    def is_gone(self) -> bool:
        return not any(map(is_alive, self._seen))

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


StartFleet = Callable[..., RunningFleet]


def fleets(folder: Path, wait: Eventually) -> Generator[StartFleet]:
    started: list[RunningFleet] = []

    def start(
        *options: str, data_dir: Path = folder / "fleet", environment: Mapping[str, str] | None = None
    ) -> RunningFleet:
        output = folder / f"output-{len(started)}"
        started.append(RunningFleet(output, data_dir, options, environment or {}, folder, wait))
        return started[-1]

    yield start
    for fleet in started:
        fleet.end()
