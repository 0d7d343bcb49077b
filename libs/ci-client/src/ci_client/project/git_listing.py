import os
from collections.abc import Generator
from pathlib import Path

from ci_client.project.git import git_output

_LIST = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


def git_names(folder: Path, warnings: list[str]) -> Generator[str]:
    """What git tracks or would track below `folder`, relative to it; a file may have gone, or come twice.

    Submodules and repositories within are looked into. Adds to `warnings`. Raises GitFailed.
    """
    for name in filter(None, git_output(folder, *_LIST).split(b"\0")):
        relative = os.fsdecode(name).rstrip("/")
        place = folder / relative
        if place.is_symlink() or not place.is_dir():
            yield relative
        elif (place / ".git").exists():
            for within in git_names(place, warnings):
                yield f"{relative}/{within}"
        else:
            warnings.append(f"The submodule {relative} is empty: `git submodule update --init` fetches it.")
