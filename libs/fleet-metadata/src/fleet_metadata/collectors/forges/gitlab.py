import re
from typing import Any
from urllib.parse import urlsplit

from fleet_metadata.collector import CollectionFailed, Reading
from fleet_metadata.collectors.forges.api_server import ApiServer, token_text
from fleet_metadata.collectors.forges.gitlab_keys import GITLAB_KEYS, PIPELINE_STATUS, PROJECT
from fleet_metadata.collectors.forges.merge_request import MergeRequest
from fleet_metadata.collectors.forges.merge_request_search import MergeRequestSearch
from fleet_metadata.collectors.forges.pipeline import PIPELINE_STATUSES, status_of_branch, status_of_request
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch, pushed_branch
from fleet_metadata.collectors.forges.rest_api import RestApi
from fleet_metadata.collectors.forges.warned import Warned
from fleet_metadata.collectors.git.remote_url import RemoteUrl
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

_API = "/api/v4"
_PROJECT = re.compile(r"(?!\.)[\w.-]+(/(?!\.\.?(/|$))[\w.-]+)+", re.ASCII)
_NOT_HERE = "the remote origin is not at the GitLab of GITLAB_URL; if the project is, set GITLAB_PROJECT to its group/name"


class GitLabCollector:
    """Tells of the merge request and the pipeline of the branch that is checked out."""

    name = "gitlab"
    prefix = "gitlab_"
    keys = GITLAB_KEYS

    def __init__(self, workspace: Workspace, api: RestApi | None = None) -> None:
        self._workspace = workspace
        self._settings = workspace.settings
        self._api = api or RestApi(gitlab_server(workspace.settings))
        self._search = MergeRequestSearch(self._api)

    @property
    def refresh_seconds(self) -> float:
        return self._settings.metadata_refresh_seconds

    async def subject(self) -> PushedBranch:
        """The project and the branch. Raises NotApplicable, CollectionFailed."""
        return await pushed_branch(self._workspace, self._named(), self._at_gitlab, _NOT_HERE)

    async def collect(self) -> Reading:
        """What GitLab tells of the branch. Raises NotApplicable, CollectionFailed."""
        pushed = await self.subject()
        values: dict[str, Any] = {key.name: None for key in self.keys} | {PROJECT: pushed.repository}
        if pushed.branch is None:
            return Reading(values)
        warned = Warned()
        if request := await self._search.find(pushed, pushed.branch):
            values |= _told(request)
            pipeline = status_of_request(self._api, request)
        else:
            pipeline = status_of_branch(self._api, pushed.origin, pushed.branch)
        status = await warned.unless_refused(PIPELINE_STATUS, pipeline)
        if status is None or status in PIPELINE_STATUSES:
            return Reading(values | {PIPELINE_STATUS: status}, warned.warnings)
        return Reading(
            values, [f"{PIPELINE_STATUS} is not known: GitLab has a word for it that is not known here"]
        )

    async def close(self) -> None:
        await self._api.close()

    def _named(self) -> str | None:
        named = self._settings.gitlab_project
        if named is not None and not _PROJECT.fullmatch(named):
            raise CollectionFailed(
                "GITLAB_PROJECT names no project; write group/name, as in gitlab-org/gitlab"
            )
        return named

    def _at_gitlab(self, origin: str) -> str | None:
        url = RemoteUrl.parse(origin)
        if url is None or url.host != self._api.server.host:
            return None
        path = url.path
        below = urlsplit(self._api.server.url).path.removesuffix(_API).strip("/")
        if below and origin.strip().lower().startswith("http"):
            # Over ssh it is not there.
            if not path.startswith(f"{below}/"):
                return None
            path = path.removeprefix(f"{below}/")
        return path if _PROJECT.fullmatch(path) else None


def gitlab_server(settings: Settings) -> ApiServer:
    """GitLab as `settings` have it."""
    token = token_text(settings.gitlab_token)
    return ApiServer.at(
        settings.gitlab_url.removesuffix(_API) + _API,
        "GitLab",
        ("GITLAB_URL", "GITLAB_TOKEN"),
        {},
        {"PRIVATE-TOKEN": token} if token else {},
    )


def _told(request: MergeRequest) -> dict[str, Any]:
    return {
        "gitlab_mr_number": request.iid,
        "gitlab_mr_status": request.status,
        "gitlab_mr_title": request.title,
        "gitlab_mr_url": request.web_url,
    }
