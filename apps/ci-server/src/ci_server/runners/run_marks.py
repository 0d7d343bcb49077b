"""Which runs have something left, also when nothing but a folder is."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class RunMarks:
    """A file for each run of an owner: a machine, or an installation on an engine. All methods block.

    It comes before all else of a run, and goes after it: so nothing is left that `names` does not tell.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner

    def add(self, run: str) -> None:
        """Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / run).write_text(self._owner)

    def remove(self, run: str) -> None:
        """Raises OSError, but not where it is not there."""
        (self._folder / run).unlink(missing_ok=True)

    def names(self) -> Sequence[str]:
        """The owner's runs, and those whose owner a crash kept from being written."""
        if not self._folder.is_dir():
            return []
        return sorted(
            mark.name for mark in self._folder.iterdir() if self._owner_of(mark) in {self._owner, ""}
        )

    def _owner_of(self, mark: Path) -> str | None:
        # Another process may have removed it just now.
        with suppress(FileNotFoundError):
            return mark.read_text()
        return None
