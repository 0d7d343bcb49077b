"""Tar files, into containers and out of them."""

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

import structlog

from ci_server.runners.container.configuration import USER_ID

MAX_FILES, MAX_BYTES, MAX_ENTRIES = 10_000, 1024**3, 1_000_000

log = structlog.get_logger(__name__)


def project_archive(project: Path, archive: Path) -> None:
    """Write a tar file with an unpacked project and an empty folder `run`, which are of the run's user. Blocks."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = USER_ID
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(archive, "w") as tar:
        tar.add(project, "project", filter=owned)
        guard = owned(tarfile.TarInfo("run"))
        guard.type, guard.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(guard)
    _without_padding(tar, archive)


def installer_archive(uv: str, source: Path, archive: Path) -> None:
    """Write a tar file with uv and the folder `project` to install in, which are of root. Blocks."""

    def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(archive, "w") as tar:
        tar.add(uv, "uv", filter=owned)
        tar.add(source, "project", filter=owned)
    _without_padding(tar, archive)


def _without_padding(tar: tarfile.TarFile, archive: Path) -> None:
    """Podman stops reading at the end mark, and fails (`broken pipe`) where something comes after it."""
    os.truncate(archive, tar.offset)


def copy_artifacts(tar_file: IO[bytes], wanted: Callable[[str], bool], into: Path) -> None:
    """Copy the wanted files out of a tar file of the folder `project`. Blocks. Raises OSError.

    Regular files only. At most 10,000 files and 1 GiB; the rest is left out, which is logged.
    """
    into.mkdir(parents=True, exist_ok=True)
    files, room = 0, MAX_BYTES
    try:
        with tarfile.open(fileobj=tar_file, mode="r|") as tar:
            for number, entry in enumerate(tar):
                path = _path(entry)
                if path is None or not wanted(path):
                    continue
                if files >= MAX_FILES or entry.size > room or number >= MAX_ENTRIES:
                    log.warning("artifacts_left_out", files=files)
                    return
                files, room = files + 1, room - entry.size
                _copy(tar, entry, into / path)
    except tarfile.ReadError as error:
        log.warning("artifacts_left_out", files=files, error=str(error))


def _path(entry: tarfile.TarInfo) -> str | None:
    """Relative to the project, of a regular file."""
    path = PurePosixPath(entry.name)
    if not entry.isreg() or path.is_absolute() or ".." in path.parts or path.parts[:1] != ("project",):
        return None
    relative = "/".join(path.parts[1:])
    try:
        relative.encode()
    except UnicodeEncodeError:
        return None
    return relative or None


def _copy(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(entry)
    assert source  # noqa: S101  # a regular file
    with target.open("wb") as file:
        shutil.copyfileobj(source, file)
