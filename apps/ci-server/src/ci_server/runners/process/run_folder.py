"""What is on disk of a run, and who looks after it."""

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ci_server.domain.course import Exit
from ci_server.runners.process.descendants import is_alive
from ci_server.runners.process.shim import this_boot


class RunFolder:
    """The folder `run` of an attempt. Nothing here waits."""

    def __init__(self, attempt: Path, name: str = "run") -> None:
        self.path = attempt / name
        self.project = self.path / "project"
        self.home = self.path / "home"
        self.temporary = self.path / "tmp"
        self.output = self.path / "output"
        self._environment = self.path / "environment"

    def withdrawn(self) -> "RunFolder":
        """What it is moved to before it is removed: a shim that is about to begin finds it gone, and does not."""
        return RunFolder(self.path.parent, "removed")

    def note_environment(self, environment: Path) -> None:
        """The run is prepared, with what was installed there. Raises OSError."""
        self._environment.write_text(f"{this_boot()} {environment}")

    def environment(self) -> Path | None:
        """What was installed for it; None where it is not prepared, or was before the machine was started anew.

        Its project need not have reached the disk before that.
        """
        try:
            boot, _, path = self._environment.read_text().partition(" ")
        except FileNotFoundError:
            return None
        return Path(path) if path and boot == this_boot() else None

    def was_started(self) -> bool:
        return (self.path / "started").exists()

    def has_ended(self) -> bool:
        """Whether its output is complete, or will not go on because nobody looks after it."""
        return (self.path / "exit").exists() or not self.is_looked_after()

    def was_lost(self) -> bool:
        """Whether it was started, and the shim went without saying how it ended."""
        return self.was_started() and self.has_ended() and not (self.path / "exit").exists()

    def exit(self) -> Exit:
        """How it ended; `lost` where the shim went without saying so."""
        found = _json_in(self.path / "exit")
        return Exit(found["code"], found["stopped"]) if found else Exit(None, "lost")

    def is_looked_after(self) -> bool:
        """Whether the shim of this run is alive: the same process, of the same boot."""
        return self._shim() is not None

    def ask_to_stop(self, grace_seconds: float) -> None:
        """Tell the shim, if there is one."""
        part = self.path / "stop.part"
        with suppress(FileNotFoundError):
            part.write_text(str(grace_seconds))
            part.rename(self.path / "stop")
        self._signal(signal.SIGTERM)

    def kill_shim(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        """To the shim and never to another process that got its number."""
        if (process := self._shim()) is None:
            return
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(process)
            try:
                if self._shim() == process:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

    def _shim(self) -> int | None:
        shim = _json_in(self.path / "started")
        if not shim or shim["boot"] != this_boot():
            return None
        return shim["pid"] if is_alive(shim["pid"], shim["start"]) else None


def _json_in(path: Path) -> Mapping[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
