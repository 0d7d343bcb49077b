import asyncio
from typing import TYPE_CHECKING, Any

from fleet_metadata.collector import Reading
from fleet_metadata.collectors.git.commit import Commit
from fleet_metadata.collectors.git.git_keys import GIT_KEYS
from fleet_metadata.collectors.git.operation import operation_under_way
from fleet_metadata.collectors.git.porcelain import Status
from fleet_metadata.collectors.git.refusal import NoWorkTree
from fleet_metadata.collectors.git.remote_url import without_credentials
from fleet_metadata.collectors.git.repository import Repository
from fleet_metadata.collectors.git.together import together

if TYPE_CHECKING:
    # It has a repository, and so comes after this package.
    from fleet_metadata.workspace import Workspace

STATUS_WITHIN_SECONDS = 1.6
"""How long `git status` may take: less than the collector's own deadline, so that the rest can be told."""
_TOOK_LONGER = (
    "git status took longer than {:g} s; git_status, git_dirty_files, git_ahead and git_behind are not known: "
    "see `git help status` on how to make it quicker"
)


class GitCollector:
    """Tells of the repository that the workspace's folder belongs to: branch, last commit, state of the files.

    Without the latter, and with a warning, where `git status` takes longer than `status_within_seconds`.
    """

    name = "git"
    prefix = "git_"
    keys = GIT_KEYS

    def __init__(self, workspace: "Workspace", status_within_seconds: float = STATUS_WITHIN_SECONDS) -> None:
        self._repository = workspace.repository
        self.status_within_seconds = status_within_seconds

    async def collect(self) -> Reading:
        """What holds now. Raises NotApplicable without a repository, CollectionFailed where git fails."""
        async with together() as tasks:
            # First what takes longest.
            status = tasks.create_task(self._status())
            commit = tasks.create_task(self._repository.last_commit())
            place = tasks.create_task(_of_checkout(self._repository))
        of_work_tree, warnings = status.result()
        return Reading(
            {
                **place.result(),
                **_of_commit(commit.result()),
                **_of_work_tree(of_work_tree),
                "git_stash_count": await _stash_count(self._repository, of_work_tree),
            },
            warnings,
        )

    async def _status(self) -> tuple[Status | None, tuple[str, ...]]:
        try:
            async with asyncio.timeout(self.status_within_seconds):
                return await self._repository.status(), ()
        except NoWorkTree:
            return None, ()
        except TimeoutError:
            return None, (_TOOK_LONGER.format(self.status_within_seconds),)


async def _stash_count(repository: Repository, status: Status | None) -> int:
    return status.stash_count if status else await repository.stash_count()


async def _of_checkout(repository: Repository) -> dict[str, Any]:
    checkout = await repository.checkout()
    return {
        "git_branch": checkout.branch,
        "git_remote_url": without_credentials(checkout.origin) if checkout.origin else None,
        "git_operation": await asyncio.to_thread(operation_under_way, checkout.git_dir),
    }


def _of_commit(commit: Commit | None) -> dict[str, Any]:
    return {
        "git_commit_hash": commit and commit.hash,
        "git_commit_message": commit and commit.message,
        "git_commit_author": commit and commit.author,
        "git_commit_at": commit and commit.committed_at,
    }


def _of_work_tree(status: Status | None) -> dict[str, Any]:
    return {
        "git_status": status and _state(status),
        "git_dirty_files": status and status.listed,
        "git_ahead": status and status.ahead,
        "git_behind": status and status.behind,
    }


def _state(status: Status) -> str:
    if status.conflicted:
        return "conflicted"
    if status.staged:
        return "staged"
    return "modified" if status.listed else "clean"
