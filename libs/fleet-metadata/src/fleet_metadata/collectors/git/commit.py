from dataclasses import dataclass
from typing import Self

FORMAT = "%H%x00%an%x00%cI%x00%B"
"""What `git log` is to write of a commit, for `Commit.parse`."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its author's name, and as ISO 8601 with an offset when it was committed."""

    hash: str
    author: str
    committed_at: str
    message: str

    @classmethod
    def parse(cls, output: bytes) -> Self:
        """The commit that git wrote in `FORMAT`; bytes that are no UTF-8 are replaced."""
        commit, author, committed_at, message = output.decode(errors="replace").split("\0", 3)
        # For UTC newer ones write "Z", older ones an offset as for the rest.
        return cls(commit, author, committed_at.replace("Z", "+00:00"), message.rstrip("\n"))
