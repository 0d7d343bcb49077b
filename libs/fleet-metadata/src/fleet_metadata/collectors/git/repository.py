import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.git.child import Finished
from fleet_metadata.collectors.git.commit import FORMAT, Commit
from fleet_metadata.collectors.git.porcelain import Status
from fleet_metadata.collectors.git.process import MIB, Git
from fleet_metadata.collectors.git.refusal import refusal
from fleet_metadata.collectors.git.regular_file import beginning_of
from fleet_metadata.collectors.git.together import together
from fleet_metadata.freshness.shared_run import SharedRun

CHECKOUT_WITHIN_SECONDS = 2.0
STATUS_AT_MOST = 64 * MIB
LARGE_STATUS = 1_000_000
"""From so many bytes on it is parsed in a thread, as that takes long."""

_ORIGIN = "origin"
_LONGEST_HEAD = 8192  # no name of a branch is longer than a path may be
_BRANCHES = "refs/heads/"
# What a HEAD says where refs are in tables, and what we say of one that is a symbolic link, as long ago.
_ASK_GIT = ("refs/heads/.invalid", "a link")
_NO_COMMIT_YET = "does not have any commits yet"
# Of one commit, whatever became of its parents, and with none of the looks aside that settings ask for.
_LAST_COMMIT = (
    *("log", "-1", "--no-walk", "--no-decorate", "--no-mailmap", "--no-show-signature", "--encoding=UTF-8"),
    f"--format=tformat:{FORMAT}",
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is checked out in a folder, and where its repository comes from.

    `branch` is None when HEAD is detached, and has no commit yet when it is unborn. `origin` is the URL of
    that remote with what git makes of it by `insteadOf`, credentials and all: it is not for showing.
    """

    branch: str | None
    origin: str | None = field(repr=False)
    git_dir: Path


class Repository:
    """The git repository that a folder belongs to, read anew by each question and never written to.

    Every method raises NotApplicable where there is no repository, and CollectionFailed, with git's words
    or with what to do, where it cannot be read. `executable` is the git program.
    """

    def __init__(self, folder: Path, executable: str = "git") -> None:
        self._folder = folder
        self._git = Git(folder, executable)
        self._checkout = SharedRun(self._read_checkout, CHECKOUT_WITHIN_SECONDS)

    async def checkout(self) -> Checkout:
        """What is checked out; those who ask at the same time share one reading."""
        try:
            return await self._checkout.result()
        except TimeoutError:
            raise CollectionFailed(f"git gave no answer within {CHECKOUT_WITHIN_SECONDS:g} s") from None

    async def status(self) -> Status:
        """The state of the work tree, as `git status` has it. Raises NoWorkTree where there is none."""
        command = ("status", "--porcelain=v2", "--branch", "--show-stash", "-z")
        output = self._output(await self._git.run(*command, at_most=STATUS_AT_MOST))
        if len(output) < LARGE_STATUS:
            return Status.parse(output)
        return await asyncio.to_thread(Status.parse, output)

    async def last_commit(self) -> Commit | None:
        """The commit that is checked out, None where there is none yet."""
        finished = await self._git.run(*_LAST_COMMIT)
        if finished.code and _NO_COMMIT_YET in finished.complaint:
            return None
        return Commit.parse(self._output(finished))

    async def stash_count(self) -> int:
        """How many stashes there are; `status` tells that too, where there is a work tree."""
        finished = await self._git.run("rev-list", "--walk-reflogs", "--count", "refs/stash", "--")
        if finished.code and "bad revision" in finished.complaint:
            return 0
        return int(self._output(finished))

    async def _read_checkout(self) -> Checkout:
        async with together() as tasks:
            place = tasks.create_task(self._git.run("rev-parse", "--absolute-git-dir"))
            origin = tasks.create_task(self._git.run("remote", "get-url", _ORIGIN))
        # The folder may have a line break at the end of its name.
        folder = Path(os.fsdecode(self._output(place.result()).removesuffix(b"\n")))
        return Checkout(await self._branch(folder), self._origin(origin.result()), folder)

    async def _branch(self, git_dir: Path) -> str | None:
        try:
            head = await asyncio.to_thread(_symbolic_head, git_dir / "HEAD")
        except OSError as error:
            raise CollectionFailed(f"{git_dir / 'HEAD'} cannot be read: {error.strerror}") from error
        if head is None:
            return None
        if head in _ASK_GIT:
            head = await self._ask_for_head()
        return head and head.removeprefix(_BRANCHES)

    async def _ask_for_head(self) -> str | None:
        finished = await self._git.run("symbolic-ref", "--quiet", "HEAD")
        detached = finished.code == 1 and not finished.complaint
        return None if detached else _text(self._output(finished))

    def _origin(self, finished: Finished) -> str | None:
        if finished.code and any(words in finished.complaint for words in ("No such remote", "no URLs")):
            return None
        url = _text(self._output(finished))
        # A remote that has settings and no URL is told by its name.
        return None if url == _ORIGIN else url

    def _output(self, finished: Finished) -> bytes:
        if finished.code:
            raise refusal(self._folder, finished)
        return finished.output


def _symbolic_head(file: Path) -> str | None:
    """The ref that HEAD names, None when it names a commit."""
    if file.is_symlink():
        return _ASK_GIT[1]
    content = _text(beginning_of(file, _LONGEST_HEAD))
    return content.removeprefix("ref:").strip() if content.startswith("ref:") else None


def _text(output: bytes) -> str:
    return output.decode(errors="replace").rstrip("\n")
