import os
from collections.abc import Generator
from pathlib import Path

from pathspec import GitIgnoreSpec

from ci_client.project.plain_listing import LEFT_OUT, walked


def unignored_names(folder: Path, repository: Path, warnings: list[str]) -> Generator[str]:
    """What the .gitignore files of `repository` leave below `folder`, relative to it, without asking git."""
    rules = _Rules(repository)
    place = os.path.relpath(folder, repository)
    prefix = "" if place == "." else f"{place}/"
    return walked(
        folder,
        lambda name: name.rpartition("/")[2] not in LEFT_OUT and not rules.ignore(f"{prefix}{name}/"),
        lambda name: not rules.ignore(prefix + name),
        warnings,
    )


class _Rules:
    """Those of all .gitignore files, the deepest first, and of .git/info/exclude."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._specs = dict[str, GitIgnoreSpec]()
        self._exclude = _spec(repository / ".git" / "info" / "exclude")

    def ignore(self, name: str) -> bool:
        """Whether the file, or the folder with a slash at its end, is ignored; its parent is not."""
        parts = name.rstrip("/").split("/")
        for depth in range(len(parts) - 1, -1, -1):
            parent = "/".join(parts[:depth])
            below = name[len(parent) + 1 :] if parent else name
            told = self._spec_in(parent).check_file(below).include
            if told is not None:
                return told
        return bool(self._exclude.check_file(name).include)

    def _spec_in(self, parent: str) -> GitIgnoreSpec:
        if parent not in self._specs:
            self._specs[parent] = _spec(self._repository / parent / ".gitignore")
        return self._specs[parent]


def _spec(file: Path) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(file.read_text(errors="surrogateescape").splitlines())
    except OSError:
        return GitIgnoreSpec.from_lines([])
