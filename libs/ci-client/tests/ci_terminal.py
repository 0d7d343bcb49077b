"""The command `ci` as a process of its own, on a terminal or not."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

COMMAND = (sys.executable, "-P", "-m", "ci_client")
WITHIN_SECONDS = 45


class Terminal:
    """`ci` with these arguments, all of it on a terminal; a context manager. `seen` is what is on it so far."""

    def __init__(self, *arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self.seen = ""
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Until it is there, after what was waited for before."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while text not in self.seen:
            assert self._read(deadline), f"{text!r} is not in {self.seen!r}"
        self.seen = self.seen.partition(text)[2]

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def code(self) -> int:
        """The exit code, once all is read."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while self._read(deadline):
            pass
        return self._process.wait(WITHIN_SECONDS)

    def _read(self, deadline: float) -> bool:
        """Whether there was more."""
        if not select.select([self._ours], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:
            # Nobody has the other end any more.
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)
