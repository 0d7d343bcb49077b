"""What git means when it ends with an error. Its words are the English ones: `process` asks for these."""

from pathlib import Path

from fleet_metadata.collector import CollectionFailed, NotApplicable
from fleet_metadata.collectors.git.child import Finished
from fleet_metadata.collectors.git.remote_url import text_without_credentials


class NoWorkTree(CollectionFailed):
    """The repository is bare, or the folder is inside of its git folder: there are no files to tell of."""


def refusal(folder: Path, finished: Finished) -> NotApplicable | CollectionFailed:
    """What to raise where git ended with an error in `folder`."""
    complaint = finished.complaint
    # One that is named is a worktree or a submodule whose git folder is gone, and that is a fault.
    if "not a git repository (or any" in complaint:
        return _no_repository(folder)
    if "dubious ownership" in complaint or "unsafe repository" in complaint:
        return CollectionFailed(
            "git does not trust this repository, as it belongs to another user than that of this server; "
            f"to trust it, run as that user: {_remedy(folder, complaint)}"
        )
    if "must be run in a work tree" in complaint:
        return NoWorkTree("there is no work tree here, and so no status")
    return CollectionFailed(_in_short(finished))


def _no_repository(folder: Path) -> NotApplicable | CollectionFailed:
    git_dir = folder / ".git"
    # Git passes by what has lost its HEAD, say in a crash, as if nothing were there.
    if git_dir.exists():
        return CollectionFailed(f"{git_dir} is not a git repository, or a damaged one: look at its HEAD")
    return NotApplicable(f"no git repository in {folder.name or folder}, nor above it")


def _remedy(folder: Path, complaint: str) -> str:
    # Git names the top of the repository, which need not be our folder.
    command = f"git config --global --add safe.directory {folder}"
    return next((line.strip() for line in complaint.splitlines() if "--add safe.directory" in line), command)


def _in_short(finished: Finished) -> str:
    lines = [line.strip() for line in finished.complaint.splitlines() if line.strip()]
    # Warnings and traces may come before what it died of.
    for line in (*(line for line in lines if line.startswith(("fatal:", "error:"))), *lines):
        return f"git says: {text_without_credentials(line)}"
    if finished.code < 0:
        return f"git was ended by signal {-finished.code}"
    return f"git ended with exit code {finished.code} and said nothing"
