"""The command line as users run it, in processes of its own."""

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ
from time import monotonic, sleep

from running_metadata import COMMAND, environment
from shown_collectors import REAL, installed

WITHIN_SECONDS = 120
SHOWN = ",".join(REAL)


def shown(folder: Path, **collectors: str) -> dict[str, str]:
    """The settings with which files in `folder`, and nothing else, say what there is to tell: `shown.json`.

    Or others than that, if other collectors are named.
    """
    site = installed(folder / "site", **(collectors or {"shown": "ShownCollector"}))
    return {"METADATA_FOLDER": str(folder), "METADATA_DISABLED_COLLECTORS": SHOWN, **site}


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end; its output goes into pipes."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; raises TimeoutError."""
    deadline = monotonic() + WITHIN_SECONDS
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(f"waited {WITHIN_SECONDS} s in vain")
        sleep(0.02)


class Command:
    """A command that goes on; `output` is what it has written so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", source: int) -> None:
        self._process = process
        self._source = source
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        return self._written.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Raises AssertionError with what was written instead."""
        until(lambda: text in self.output or not self._reader.is_alive())
        assert text in self.output, self.output

    def stop(self, number: signal.Signals) -> int:
        """Send it that signal; its exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, when it has ended by itself."""
        code = self._process.wait(WITHIN_SECONDS)
        self._reader.join(WITHIN_SECONDS)
        return code

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        try:
            while part := os.read(self._source, 65536):
                self._written += part
        except OSError:
            # A terminal ends so when the last process on it does.
            pass


@contextmanager
def going_on(*arguments: str, **settings: str) -> Generator[Command]:
    """A command whose output, with that of errors, goes into a pipe."""
    source, sink = os.pipe()
    with _started(arguments, settings, source, sink) as command:
        yield command


@contextmanager
def on_a_terminal(size: tuple[int, int], *arguments: str, **settings: str) -> Generator[Command]:
    """A command on a terminal of that size, in columns and lines."""
    source, sink = pty.openpty()
    columns, lines = size
    ioctl(sink, TIOCSWINSZ, pack("HHHH", lines, columns, 0, 0))
    told = {"TERM": "xterm-256color"} | settings
    with _started(arguments, told, source, sink) as command:
        yield command


@contextmanager
def _started(
    arguments: tuple[str, ...], settings: Mapping[str, str], source: int, sink: int
) -> Generator[Command]:
    known = environment(settings)
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", *(() if "NO_COLOR" in settings else ("NO_COLOR",))):
        known.pop(name, None)
    try:
        process = subprocess.Popen([*COMMAND, *arguments], env=known, stdin=sink, stdout=sink, stderr=sink)
    finally:
        os.close(sink)
    command = Command(process, source)
    try:
        yield command
    finally:
        command.end()
        os.close(source)
