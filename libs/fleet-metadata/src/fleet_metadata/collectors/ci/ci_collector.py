import asyncio
from typing import TYPE_CHECKING, Any

from ci_client import AsyncCiClient, CiError, Job, NotAllowed, ServerUnavailable, TooManyRequests
from fleet_metadata.collector import CollectionFailed, NotApplicable, Reading
from fleet_metadata.collectors.ci.ci_keys import CI_KEYS, ID, STATUS, SUCCESS

if TYPE_CHECKING:
    # As in the collector of git.
    from fleet_metadata.workspace import Workspace

_SECONDS = 5.0
_NOT_ALLOWED_SECONDS = 60.0
"""Until it is asked again whether the key is valid by now."""


class CiCollector:
    """Tells of the newest CI job of the branch that is checked out, where CI_SERVER_URL is set."""

    name = "ci"
    prefix = "ci_"
    keys = CI_KEYS

    def __init__(self, workspace: "Workspace", client: AsyncCiClient | None = None) -> None:
        self._workspace = workspace
        self._settings = workspace.settings
        self._client = client

    @property
    def refresh_seconds(self) -> float:
        return self._settings.metadata_refresh_seconds

    async def subject(self) -> tuple[str, str | None]:
        """The server and the branch. Raises NotApplicable, CollectionFailed."""
        url = self._settings.ci_server_url
        if url is None:
            raise NotApplicable("CI_SERVER_URL is not set")
        return url, (await self._workspace.repository.checkout()).branch

    async def collect(self) -> Reading:
        """What the server tells of the branch. Raises NotApplicable, CollectionFailed."""
        url, branch = await self.subject()
        if branch is None:
            return _reading(None)
        try:
            if self._client is None:
                # Reading the certificates takes a while.
                self._client = await asyncio.to_thread(self._client_of, url)
            return _reading(await self._client.newest_job(branch))
        except CiError as error:
            raise CollectionFailed(str(error).removesuffix("."), _retry_in(error)) from error

    async def close(self) -> None:
        if self._client:
            await self._client.close()

    def _client_of(self, url: str) -> AsyncCiClient:
        key = self._settings.ci_api_key
        try:
            return AsyncCiClient(url, key.get_secret_value() if key else None, timeout_seconds=_SECONDS)
        except (ImportError, OSError, ValueError) as error:
            raise CollectionFailed(
                f"the CI server cannot be asked ({type(error).__name__}); check CI_SERVER_URL, and what the "
                "environment says of proxies and certificates"
            ) from None


def _reading(job: Job | None) -> Reading:
    values: dict[str, Any] = {
        ID: job and job.job_id,
        STATUS: job and job.status,
        SUCCESS: job.success if job else None,
    }
    return Reading(values)


def _retry_in(error: CiError) -> float | None:
    if isinstance(error, NotAllowed):
        return _NOT_ALLOWED_SECONDS
    return error.retry_after if isinstance(error, TooManyRequests | ServerUnavailable) else None
