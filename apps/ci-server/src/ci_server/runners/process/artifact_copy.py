"""Copies what a run has made, whatever it made of its project: only through folders and files that are none else."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import structlog

MAX_FILES, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES = 10_000, 1024**3, 50, 1_000_000
CHUNK_BYTES = 1024**2
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

log = structlog.get_logger(__name__)


class _Copying:
    """Of one run; counts what it took."""

    def __init__(self, wanted: Callable[[str], bool], into: Path, abandoned: Event) -> None:
        self._wanted = wanted
        self._into = into
        self._abandoned = abandoned
        self.files = 0
        self.room = MAX_BYTES
        self._entries = 0

    def copy(self, folder: int, prefix: str = "", depth: int = 0) -> bool:
        """All that is wanted in a folder and below; False once there is too much of it."""
        for name in _names(folder):
            self._entries += 1
            if self._entries > MAX_ENTRIES or self._abandoned.is_set():
                return False
            kind = _kind(folder, name)
            if kind == stat.S_IFDIR and depth < MAX_DEPTH:
                more = self._copy_folder(folder, name, f"{prefix}{name}/", depth + 1)
            elif kind == stat.S_IFREG and self._wanted(prefix + name):
                more = self._copy_file(folder, name, self._into / (prefix + name))
            else:
                continue
            if not more:
                return False
        return True

    def _copy_folder(self, parent: int, name: str, prefix: str, depth: int) -> bool:
        if (folder := _opened(name, FOLDER, parent)) is None:
            return True
        try:
            return self.copy(folder, prefix, depth)
        finally:
            os.close(folder)

    def _copy_file(self, folder: int, name: str, target: Path) -> bool:
        if (opened := _opened(name, FILE, folder)) is None:
            return True
        with os.fdopen(opened, "rb") as source:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                return True
            if self.files >= MAX_FILES or found.st_size > self.room:
                return False
            self.files += 1
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                while chunk := source.read(min(CHUNK_BYTES, self.room)):
                    file.write(chunk)
                    self.room -= len(chunk)
        return True


def copy_artifacts(project: Path, wanted: Callable[[str], bool], into: Path, abandoned: Event) -> None:
    """Copy the regular files whose paths relative to `project` are wanted. Blocks.

    Links are not followed, and what cannot be read is left out. At most 10,000 files, 1 GiB and 50 folders
    deep; the rest is left out, which is logged. Returns early once `abandoned` is set.
    """
    into.mkdir(parents=True, exist_ok=True)
    if (folder := _opened(str(project), FOLDER, None)) is None:
        return
    copying = _Copying(wanted, into, abandoned)
    try:
        if not copying.copy(folder):
            log.warning("artifacts_left_out", project=str(project), files=copying.files)
    finally:
        os.close(folder)


def _names(folder: int) -> Iterator[str]:
    """In order, and those that can be written as text: others could be named by nobody."""
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            with suppress(UnicodeEncodeError):
                name.encode()
                yield name


def _kind(folder: int, name: str) -> int | None:
    with suppress(OSError):
        return stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return None


def _opened(name: str, flags: int, folder: int | None) -> int | None:
    with suppress(OSError):
        return os.open(name, flags, dir_fd=folder)
    return None
