"""What a project needs installed, and where installed environments are kept to be used again."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ci_server.runners.dependency_files import DependencyFiles, read_dependency_files

LOCK_POLL_SECONDS = 0.05
UV_CACHE = "uv-cache"
PASSED_ON = ("UV_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What to install for a project, and with which files at hand."""

    files: Mapping[str, bytes]
    """By their path in the project: what `arguments` refers to. To be put into an otherwise empty folder."""
    arguments: tuple[str, ...]
    """Of `uv pip install`, run in the folder that holds `files`."""
    project: bytes | None
    """The SHA-256 of the zip if its other files matter too (the project refers to itself): then install in the
    unpacked project, with `files` put over it."""

    @classmethod
    def of(cls, project: Path) -> "Dependencies":
        """Those of a zip. Blocks. Raises CannotRun where its dependency files cannot be read."""
        found: DependencyFiles = read_dependency_files(project)
        digest = _sha256_of(project) if found.whole_project else None
        return cls(found.files, found.arguments, digest)

    def key(self, installer: str) -> str:
        """The same for all that may share an environment; `installer` tells interpreters or images apart."""
        digest = hashlib.sha256()
        for part in (installer.encode(), *(one.encode() for one in self.arguments), self.project or b""):
            _add(digest, part)
        for name in sorted(self.files):
            _add(digest, name.encode())
            _add(digest, self.files[name])
        return digest.hexdigest()[:32]

    def write_to(self, folder: Path) -> None:
        """Put `files` below a folder. Blocks."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def installer_variables(own: Mapping[str, str]) -> dict[str, str]:
    """Of a server's own environment what an installation gets: settings of uv and pip, proxies, certificates."""
    return {
        name: value for name, value in own.items() if name.startswith(PASSED_ON) or name.lower() in PROXIES
    }


class Environments:
    """Folders with installed environments, by their key. One is used only if it was marked as complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uv_cache = folder / UV_CACHE

    def path(self, key: str) -> Path:
        return self.folder / key

    def is_complete(self, key: str) -> bool:
        """Whether it may be used; from now on it counts as used at this time."""
        try:
            os.utime(self._mark(key))
        except FileNotFoundError:
            return False
        return True

    def begin(self, key: str) -> Path:
        """An empty folder to install into; what was left there half done is gone. Blocks; hold the lock."""
        path = self.path(key)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def complete(self, key: str) -> None:
        """Mark as usable what was installed, once the disk has it. Blocks; hold the lock."""
        os.sync()
        self._mark(key).touch()

    @asynccontextmanager
    async def locked(self, key: str) -> AsyncGenerator[None]:
        """Alone among all processes of this data folder; waits for as long as another one is at it."""
        while True:
            with self._lock(key) as mine:
                if mine:
                    yield
                    return
            await asyncio.sleep(LOCK_POLL_SECONDS)

    def is_locked(self, key: str) -> bool:
        """Whether somebody is installing it just now."""
        with self._lock(key) as mine:
            return not mine

    def remove_unused(self, days: float) -> int:
        """Remove what no job has used for so many days, and say how many those were. Blocks."""
        if not self.folder.is_dir():
            return 0
        oldest = time.time() - days * 86_400
        keys = {path.name.removesuffix(".lock") for path in self.folder.iterdir()} - {UV_CACHE}
        return sum(self._remove_if_older(key, oldest) for key in sorted(keys))

    def _remove_if_older(self, key: str, oldest: float) -> bool:
        if self._last_used(key) >= oldest:
            return False
        with self._lock(key) as mine:
            if not mine or self._last_used(key) >= oldest:
                return False
            self._mark(key).unlink(missing_ok=True)
            shutil.rmtree(self.path(key), ignore_errors=True)
            self._lock_file(key).unlink()
        return True

    def _last_used(self, key: str) -> float:
        for path in (self._mark(key), self.path(key), self._lock_file(key)):
            with suppress(FileNotFoundError):
                return path.stat().st_mtime
        return time.time()

    def _mark(self, key: str) -> Path:
        return self.path(key) / "complete"

    def _lock_file(self, key: str) -> Path:
        return self.folder / f"{key}.lock"

    @contextmanager
    def _lock(self, key: str) -> Generator[bool]:
        """Yields whether it is ours; what was locked may have been removed by the one who had it before."""
        path = self._lock_file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = path.stat().st_ino == os.fstat(file.fileno()).st_ino
            except (BlockingIOError, FileNotFoundError):
                mine = False
            yield mine


def _add(digest: "hashlib._Hash", part: bytes) -> None:
    digest.update(len(part).to_bytes(8, "big") + part)


def _sha256_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
