"""Unpacks the zip of a job."""

import errno
import os
import shutil
import stat
import subprocess
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ci_server.running.runner import CannotRun

CHUNK_BYTES = 1024**2


class _Abandoned(Exception):
    """Nobody waits for it any more."""


def unpack(
    archive: Path, into: Path, *, max_bytes: int, max_entries: int, abandoned: threading.Event | None = None
) -> None:
    """Write what is in a zip below a new folder: files 0644, or 0755 where they may be run; folders 0755. Blocks.

    It was checked when it came; that what leads out of the folder, is no plain file, or is more than
    `max_bytes` or `max_entries` is refused, is checked here again. Returns early once `abandoned` is set.
    Raises CannotRun, and OSError where the disk is full.
    """
    into.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive, metadata_encoding="utf-8") as zip_file:
            _unpack(zip_file, into, max_bytes, max_entries, abandoned or threading.Event())
    except _Abandoned:
        return
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CannotRun(f"The zip cannot be unpacked ({error}); make it anew and submit it.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise CannotRun(f"The zip has two entries in one place ({error.filename}); make it anew.") from None
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise CannotRun(f"The zip cannot be unpacked here ({error}); rename what it names.") from None


def _unpack(
    archive: zipfile.ZipFile, into: Path, room: int, entries: int, abandoned: threading.Event
) -> None:
    members = archive.infolist()
    if len(members) > entries:
        raise CannotRun(f"The zip has {len(members):,} entries, and may have {entries:,}.")
    for member in members:
        target = into / _checked(member)
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        room -= _write(archive, member, target, room, abandoned)


def _checked(member: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise CannotRun(f"The zip has an entry that leads out of it: {member.filename!r}.")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise CannotRun(f"The zip has an entry that is no plain file: {member.filename!r}.")
    return path


def _write(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, room: int, abandoned: threading.Event
) -> int:
    written = 0
    with archive.open(member) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK_BYTES):
            written += len(chunk)
            if abandoned.is_set():
                raise _Abandoned
            if written > room:
                raise CannotRun("What is in the zip is larger than the server takes (CI_MAX_UNPACKED_MB).")
            file.write(chunk)
        os.fchmod(file.fileno(), 0o755 if member.external_attr >> 16 & 0o111 else 0o644)
    return written


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there, whatever its permissions and depth.

    Blocks. Raises OSError where something of it stays.
    """
    if path.is_symlink() or not path.is_dir():
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        _remove_what_resists(path)


def _remove_what_resists(path: Path) -> None:
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        said = subprocess.run([*command, "--", path], capture_output=True, check=False)  # noqa: S603  # no shell
    if path.exists():
        raise OSError(errno.ENOTEMPTY, said.stderr.decode(errors="replace")[-500:], str(path))
