"""What retention does on the disk. All of it blocks."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path


def sizes_of(folders: Iterable[Path]) -> Sequence[int]:
    """Bytes of the files below each folder; of what vanishes meanwhile, or is not there, none."""
    return [sum(_size(entry) for entry in _below(folder)) for folder in folders]


def not_touched_since(moment: float, paths: Iterable[Path]) -> Sequence[Path]:
    """Those that are there and were changed last before that time (seconds since the epoch), with all in them."""
    return [path for path in paths if os.path.lexists(path) and _last_touched(path) < moment]


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it. Raises OSError, but not where it is not there."""
    with suppress(FileNotFoundError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return
        try:
            shutil.rmtree(path)
        except RecursionError:
            # A job may have made folders in folders to any depth; rm goes as deep.
            subprocess.run(["/bin/rm", "-rf", "--", path], check=False)  # noqa: S603  # our own path


def _last_touched(path: Path) -> float:
    times = [0.0]
    for found in (path, *_below(path)):
        with suppress(OSError):
            stat = found.stat(follow_symlinks=False)
            # The one changes with what is in it, the other when it is moved into place.
            times.append(max(stat.st_mtime, stat.st_ctime))
    return max(times)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    # Not recursive, for the same reason; what is deeper than a path can be long is not seen.
    pending = [] if folder.is_symlink() else [str(folder)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
