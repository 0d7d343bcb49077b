from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from fleet_metadata.collectors.git.regular_file import beginning_of


class Operation(StrEnum):
    REBASE = "rebase"
    AM = "am"
    MERGE = "merge"
    CHERRY_PICK = "cherry-pick"
    REVERT = "revert"
    BISECT = "bisect"


# In this order: a rebase picks and merges, and any of them may be done in the midst of a bisection.
_LEFT_BY: Mapping[str, Operation] = {
    "rebase-merge": Operation.REBASE,
    "rebase-apply/applying": Operation.AM,
    "rebase-apply": Operation.REBASE,
    "MERGE_HEAD": Operation.MERGE,
    "CHERRY_PICK_HEAD": Operation.CHERRY_PICK,
    "REVERT_HEAD": Operation.REVERT,
}
# What is left to do of several commits; the file is there also between two of them.
_TO_DO = "sequencer/todo"
_COMMANDS: Mapping[bytes, Operation] = {
    **dict.fromkeys((b"pick", b"p"), Operation.CHERRY_PICK),
    b"revert": Operation.REVERT,
}


def operation_under_way(git_dir: Path) -> Operation | None:
    """What was begun and is not ended in the work tree that has this git folder; looks at a few files."""
    for name, operation in _LEFT_BY.items():
        if _is_there(git_dir / name):
            return operation
    if operation := _several_commits(git_dir / _TO_DO):
        return operation
    return Operation.BISECT if _is_there(git_dir / "BISECT_LOG") else None


def _several_commits(to_do: Path) -> Operation | None:
    try:
        first = beginning_of(to_do, 100)
    except OSError:
        return None
    return _COMMANDS.get(first.partition(b" ")[0])


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        # What cannot be looked at tells nothing.
        return False
