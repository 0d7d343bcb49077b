import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

_MOST_WARNINGS = 10
_CLEARED = "\r\x1b[2K"


class Screen:
    """What is for people goes to standard error, with a line of state on a terminal; the log to standard output.

    The log is written as it is, so that it can be piped.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
        self.has_state = sys.stderr.isatty() and not self.console.is_dumb_terminal
        self._log_is_here = sys.stdout.isatty()
        self._in_line = False
        self._state = ""

    @property
    def asks(self) -> bool:
        """Whether somebody is there who can answer."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def say(self, text: str, style: str = "") -> None:
        self.show("")
        if self._in_line:
            self._in_line = False
            self.console.print()
        self.console.print(Text(text, style))

    def warn(self, warnings: list[str]) -> None:
        for warning in warnings[:_MOST_WARNINGS]:
            self.say(f"Warning: {warning}", "yellow")
        if more := warnings[_MOST_WARNINGS:]:
            self.say(f"Warning: and {len(more)} more such.", "yellow")

    def show(self, state: str) -> None:
        """Have `state` be the last line of the terminal, unless the log is within a line there."""
        if not self.has_state or self._in_line or state == self._state:
            return
        self._state = state
        self.console.file.write(_CLEARED + state[: self.console.width - 1])
        self.console.file.flush()

    def log(self, text: str) -> None:
        """Some of the log, to standard output."""
        self.write(text.encode(errors="replace"))

    def write(self, data: bytes) -> None:
        if self._log_is_here:
            self.show("")
            self._in_line = not data.endswith(b"\n") if data else self._in_line
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    @contextmanager
    def progress(self, what: str, total: int) -> Generator[Callable[[int], None]]:
        """A bar on a terminal; the function that it gives is told how many bytes more are done."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.has_state) as progress:
            task = progress.add_task(what, total=total)
            yield lambda size: progress.advance(task, size)
