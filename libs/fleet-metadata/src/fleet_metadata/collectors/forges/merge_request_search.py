from dataclasses import dataclass
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.api_server import Refused
from fleet_metadata.collectors.forges.merge_request import MERGE_REQUESTS, MergeRequest, most_telling
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch
from fleet_metadata.collectors.forges.rest_api import RestApi

_NOT_FOUND = 404
_PAGES = 3
"""Forks that have a branch of this name may be many."""


class _Project(BaseModel):
    id: int


class _Origin(_Project):
    forked_from_project: _Project | None = None


_ORIGIN = TypeAdapter(_Origin)


@dataclass(frozen=True, slots=True)
class _Known:
    pushed: PushedBranch
    origin: _Origin


class MergeRequestSearch:
    """Finds the merge request of a branch: in its project, and in the project that this is a fork of."""

    def __init__(self, api: RestApi) -> None:
        self._api = api
        self._known: _Known | None = None

    async def find(self, pushed: PushedBranch, branch: str) -> MergeRequest | None:
        """The one that tells most of `branch`, None where it has none. Raises CollectionFailed."""
        try:
            return await self._find(pushed, branch)
        except Refused as refused:
            if refused.status != _NOT_FOUND:
                raise
            named = " or ".join(dict.fromkeys((pushed.repository, pushed.origin)))
            raise CollectionFailed(
                f"no such project or no access: {named}; {self._api.server.advice()}", retry_in=60
            ) from None

    async def _find(self, pushed: PushedBranch, branch: str) -> MergeRequest | None:
        if pushed.is_of_fork:
            origin = await self._origin(pushed)
            return most_telling(await self._from(origin, project_path(pushed.repository), branch))
        requests = await self._requests(project_path(pushed.repository), branch)
        own = [each for each in requests if each.source_project_id == each.target_project_id]
        if own:
            return most_telling(own)
        origin = await self._origin(pushed)
        parent = origin.forked_from_project
        return most_telling(await self._from_parent(origin, parent, branch)) if parent else None

    async def _from_parent(self, origin: _Origin, parent: _Project, branch: str) -> list[MergeRequest]:
        try:
            return await self._from(origin, f"/projects/{parent.id}", branch)
        except Refused:
            # Who may see a fork need not see where it comes from.
            return []

    async def _from(self, origin: _Origin, project: str, branch: str) -> list[MergeRequest]:
        requests = await self._requests(project, branch)
        return [each for each in requests if each.source_project_id == origin.id]

    async def _requests(self, project: str, branch: str) -> list[MergeRequest]:
        pages = await self._api.pages(
            f"{project}/merge_requests",
            {"state": "all", "source_branch": branch, "per_page": 100},
            _PAGES,
        )
        requests = [each for page in pages for each in await page.read(MERGE_REQUESTS)]
        return [each for each in requests if each.source_branch == branch]

    async def _origin(self, pushed: PushedBranch) -> _Origin:
        """What the branch's project is, asked once as long as the branch stays the same."""
        if self._known is None or self._known.pushed != pushed:
            origin = await (await self._api.get(project_path(pushed.origin))).read(_ORIGIN)
            self._known = _Known(pushed, origin)
        return self._known.origin


def project_path(project: str) -> str:
    """Where the API has the project of that path."""
    return f"/projects/{quote(project, safe='')}"
