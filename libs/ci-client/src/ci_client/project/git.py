import os
import subprocess
from pathlib import Path

SECONDS = 120
# A hook of git has these set for the repository that it is of, which may be another one.
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


class GitFailed(Exception):
    """Git is not installed, or would not tell; the text is its own, or says so."""


def git_output(folder: Path, *arguments: str) -> bytes:
    """What git prints in `folder`. Raises GitFailed."""
    given = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    try:
        done = subprocess.run(  # noqa: S603  # arguments of our own
            ["git", *arguments],  # noqa: S607  # the user's git
            cwd=folder,
            env={**given, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    except OSError as error:
        raise GitFailed(f"git cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git gave no answer within {SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise GitFailed(" ".join(error.stderr.decode(errors="replace").split())) from None
    return done.stdout


def current_branch(folder: Path) -> str | None:
    """The branch that is checked out; None where there is none, or no repository."""
    return _line(folder, "symbolic-ref", "--short", "--quiet", "HEAD")


def current_commit(folder: Path) -> str | None:
    """The hash of the commit that is checked out; None where there is none, or no repository."""
    return _line(folder, "rev-parse", "--verify", "--quiet", "HEAD")


def repository_of(folder: Path) -> Path | None:
    """The nearest folder, from `folder` upwards, that has a `.git`."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)


def _line(folder: Path, *arguments: str) -> str | None:
    try:
        return git_output(folder, *arguments).decode(errors="replace").strip() or None
    except GitFailed:
        return None
