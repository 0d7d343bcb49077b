"""A git repository of many files to measure on, the same in every run."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

FILES_IN_A_FOLDER = 50
LINES = 12

# Nothing of the settings of whoever measures, and the same commit in every run.
_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def make_repository(folder: Path, files: int) -> None:
    """Make `folder` a repository with one commit of `files` files, all of which are checked out."""
    _git("init", "--quiet", "--initial-branch=main", str(folder))
    _git("-C", str(folder), "fast-import", "--quiet", told=b"".join(_commit(files)))
    _git("-C", str(folder), "reset", "--quiet", "--hard")


def _commit(files: int) -> Iterator[bytes]:
    yield b"commit refs/heads/main\ncommitter Bench <bench@example.com> 1771070400 +0000\n"
    yield _data(b"Begin\n")
    for number in range(files):
        content = b"".join(b"line %d of file %d\n" % (line, number) for line in range(LINES))
        path = b"src/part%04d/file%06d.txt" % (number // FILES_IN_A_FOLDER, number)
        yield b"M 100644 inline " + path + b"\n" + _data(content)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _git(*arguments: str, told: bytes = b"") -> None:
    subprocess.run(["git", *arguments], input=told, env=_ENVIRONMENT, check=True)
