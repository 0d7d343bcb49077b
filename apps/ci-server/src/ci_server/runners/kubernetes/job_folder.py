"""The folder that a pod has as /job, as the server sees it."""

import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_server.runners.container.configuration import USER_ID

CHUNK_BYTES = 1024**2
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Told:
    """What a pod says of the end of its command."""

    code: int | None
    asked_to_end: bool
    too_much: bool
    why: str | None

    @classmethod
    def of(cls, content: bytes) -> "Told | None":
        """None where that is nothing, or nothing that our part of a pod writes."""
        try:
            told: Any = json.loads(content)
            code, why = told["code"], told.get("why")
            if not (isinstance(code, int) or (code is None and isinstance(why, str))):
                return None
            return cls(code, bool(told.get("asked_to_end")), bool(told.get("too_much")), why)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


class JobFolder:
    """Blocks. A run may make of it whatever it likes: links are not followed, and only files are read.

    Files are opened anew for each look, as a network file system is only then sure to tell what others have
    written; and they are there from the beginning, as it may remember for long that they were not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.project = path / "project"
        self._claim = path / "once"

    def lay_out(self) -> None:
        """Make the folder, for a command that has not begun; the project is put in by others."""
        self.path.mkdir(mode=0o700)
        for name in ("log", "exit"):
            (self.path / name).touch(mode=0o600)

    def read(self, at: int) -> tuple[bytes, bool]:
        """What was printed from the byte `at` on, or some of it; and whether all that will be was there by then."""
        ended = self.told() is not None
        return self._content("log", at), ended

    def told(self) -> Told | None:
        """How its command ended; None before that, or where the pod could not tell."""
        return Told.of(self._content("exit", 0))

    def was_claimed(self) -> bool:
        """Whether a pod has begun, or none ever will."""
        return self._claim.exists()

    def claim(self) -> bool:
        """Whether no pod has begun, and none ever will: they claim it likewise."""
        try:
            self._claim.mkdir()
        except FileExistsError:
            return False
        return True

    def _content(self, name: str, at: int) -> bytes:
        with suppress(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
            return _read(self.path / name, at)
        return b""


def pods_user() -> tuple[int, int]:
    """Whose pods are, and what is theirs: those of the server, so that each may remove what the other made.

    Where that is root, nobody, to whom root gives what is theirs.
    """
    return os.getuid() or USER_ID, os.getgid() or USER_ID


def give_to_pods(folder: Path) -> None:
    """Let pods write to a folder that no pod has had yet, and to all that is in it. Blocks."""
    if os.getuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *pods_user(), follow_symlinks=False)


def _read(path: Path, at: int) -> bytes:
    try:
        file = os.open(path, READ)
    except OSError as error:
        if path.is_symlink():
            return b""
        raise error from None
    try:
        return os.pread(file, CHUNK_BYTES, at) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)
