from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import BaseModel, TypeAdapter

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.api_server import Refused
from fleet_metadata.collectors.forges.pull_request import (
    PULL_REQUESTS,
    PlaceOfBranch,
    PullRequest,
    most_telling,
)
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch
from fleet_metadata.collectors.forges.rest_api import RestApi

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Found:
    """A pull request, and the repository that it is in."""

    repository: str
    pull: PullRequest


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to look for branches of that owner, which are those of a fork or of the repository itself."""

    repository: str
    owner: str
    from_fork: bool


class _Repository(BaseModel):
    full_name: str
    parent: PlaceOfBranch | None = None


_REPOSITORY = TypeAdapter(_Repository)


class PullRequestSearch:
    """Finds the pull request of a branch: in its repository, under the name that this has by now, in its parent."""

    def __init__(self, api: RestApi) -> None:
        self._api = api
        self._known: tuple[PushedBranch, _Repository] | None = None

    async def find(self, pushed: PushedBranch, branch: str) -> Found | None:
        """The one that tells most of `branch`, None where it has none.

        Raises CollectionFailed, and that too where no repository is to be seen.
        """
        seen = False
        async for place in self._places(pushed):
            try:
                pulls = await self._pulls(place, branch)
            except Refused as refused:
                if refused.status != _NOT_FOUND:
                    raise
                continue
            seen = True
            if pull := most_telling(pulls):
                return Found(place.repository, pull)
        if not seen:
            raise CollectionFailed(
                f"no such repository or no access: {pushed.repository}; {self._api.server.advice()}",
                retry_in=60,
            )
        return None

    async def _places(self, pushed: PushedBranch) -> AsyncIterator[_Place]:
        name, origin = pushed.repository, pushed.origin
        yield _place(name, origin)
        repository = await self._repository(pushed)
        if repository is None:
            return
        if not _is_same(repository.full_name, name):
            # It was renamed, or its owner was.
            name, origin = repository.full_name, origin if pushed.is_of_fork else repository.full_name
            yield _place(name, origin)
        if repository.parent:
            yield _place(repository.parent.full_name, origin)

    async def _pulls(self, place: _Place, branch: str) -> list[PullRequest]:
        answer = await self._api.get(
            f"/repos/{place.repository}/pulls",
            {"state": "all", "head": f"{place.owner}:{branch}", "per_page": 100},
        )
        # There are servers that do not know `head`, and answer with those of everybody.
        return [
            pull
            for pull in await answer.read(PULL_REQUESTS)
            if pull.is_from(place.owner, branch) and pull.is_within_one_repository() is not place.from_fork
        ]

    async def _repository(self, pushed: PushedBranch) -> _Repository | None:
        """What the repository is, asked once as long as the branch stays the same; None where it is not seen."""
        if self._known and self._known[0] == pushed:
            return self._known[1]
        try:
            repository = await (await self._api.get(f"/repos/{pushed.repository}")).read(_REPOSITORY)
        except Refused as refused:
            if refused.status != _NOT_FOUND:
                raise
            return None
        self._known = pushed, repository
        return repository


def _place(repository: str, origin: str) -> _Place:
    return _Place(repository, origin.partition("/")[0], not _is_same(repository, origin))


def _is_same(repository: str, other: str) -> bool:
    return repository.casefold() == other.casefold()
