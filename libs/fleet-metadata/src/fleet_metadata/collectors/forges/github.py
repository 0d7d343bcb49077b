import re
from typing import Any

from fleet_metadata.collector import CollectionFailed, Reading
from fleet_metadata.collectors.forges.api_server import ApiServer, token_text
from fleet_metadata.collectors.forges.checks import checks_status
from fleet_metadata.collectors.forges.github_keys import (
    CHECKS_STATUS,
    GITHUB_KEYS,
    REPO_NAME,
    REVIEW_DECISION,
)
from fleet_metadata.collectors.forges.pull_request import PullRequest
from fleet_metadata.collectors.forges.pull_request_search import PullRequestSearch
from fleet_metadata.collectors.forges.pushed_branch import PushedBranch, pushed_branch
from fleet_metadata.collectors.forges.rest_api import RestApi
from fleet_metadata.collectors.forges.reviews import review_decision
from fleet_metadata.collectors.forges.warned import Warned
from fleet_metadata.collectors.git.remote_url import RemoteUrl
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

# A look takes up to five questions.
_SECONDS_WITHOUT_TOKEN = 360.0
_REPOSITORY = re.compile(r"(?!\.)[\w.-]+/(?!\.\.?$)[\w.-]+", re.ASCII)
_NOT_HERE = "the remote origin is not at GitHub; if the repository is, set GITHUB_REPO to its owner/name"


class GitHubCollector:
    """Tells of the pull request of the branch that is checked out."""

    name = "github"
    prefix = "github_"
    keys = GITHUB_KEYS

    def __init__(self, workspace: Workspace, api: RestApi | None = None) -> None:
        self._workspace = workspace
        self._settings = workspace.settings
        self._api = api or RestApi(github_server(workspace.settings))
        self._search = PullRequestSearch(self._api)

    @property
    def refresh_seconds(self) -> float:
        """Without a token GitHub answers 60 questions an hour."""
        seconds = self._settings.metadata_refresh_seconds
        return seconds if self._api.server.has_token else max(seconds, _SECONDS_WITHOUT_TOKEN)

    async def subject(self) -> PushedBranch:
        """The repository and the branch. Raises NotApplicable, CollectionFailed."""
        return await pushed_branch(self._workspace, self._named(), self._at_github, _NOT_HERE)

    async def collect(self) -> Reading:
        """What GitHub tells of the branch. Raises NotApplicable, CollectionFailed."""
        pushed = await self.subject()
        values: dict[str, Any] = {key.name: None for key in self.keys} | {REPO_NAME: pushed.repository}
        if pushed.branch is None or not (found := await self._search.find(pushed, pushed.branch)):
            return Reading(values)
        warned = Warned()
        values |= _told(found.pull)
        values[REVIEW_DECISION] = await warned.unless_refused(
            REVIEW_DECISION, review_decision(self._api, found)
        )
        values[CHECKS_STATUS] = await warned.unless_refused(CHECKS_STATUS, checks_status(self._api, found))
        return Reading(values, warned.warnings)

    async def close(self) -> None:
        await self._api.close()

    def _named(self) -> str | None:
        named = self._settings.github_repo
        if named is not None and not _REPOSITORY.fullmatch(named):
            raise CollectionFailed(
                "GITHUB_REPO names no repository; write owner/name, as in octocat/hello-world"
            )
        return named

    def _at_github(self, origin: str) -> str | None:
        url = RemoteUrl.parse(origin)
        api = self._api.server.host
        if url is None or url.host not in {"github.com", api, api.removeprefix("api.")}:
            return None
        return url.path if _REPOSITORY.fullmatch(url.path) else None


def github_server(settings: Settings) -> ApiServer:
    """GitHub as `settings` have it."""
    token = token_text(settings.github_token)
    return ApiServer.at(
        settings.github_api_url,
        "GitHub",
        ("GITHUB_API_URL", "GITHUB_TOKEN"),
        {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        {"Authorization": f"Bearer {token}"} if token else {},
    )


def _told(pull: PullRequest) -> dict[str, Any]:
    return {
        "github_pr_number": pull.number,
        "github_pr_status": pull.status,
        "github_pr_title": pull.title,
        "github_pr_url": pull.html_url,
        "github_pr_draft": pull.draft,
    }
