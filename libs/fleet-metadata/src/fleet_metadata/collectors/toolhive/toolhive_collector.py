import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleet_metadata.collector import CollectionFailed, NotApplicable, Reading
from fleet_metadata.collectors.toolhive.toolhive_keys import TOOLHIVE_KEYS, VERSION
from toolhive_client import (
    Listing,
    ToolhiveClient,
    ToolhiveError,
    ToolhiveNotFound,
    Workload,
    WorkloadDetails,
)

if TYPE_CHECKING:
    # As in the collector of git.
    from fleet_metadata.workspace import Workspace

# Three tries fit into the time that a fetch has.
_SECONDS = 5.0
# Fewer workloads than that fit into a value: nobody would see what the others lead to.
_MOST_DETAILS = 50
_DETAILS_SECONDS = 4.0
_UNHEALTHY = {"unhealthy", "error", "unauthenticated", "auth_retrying"}

_Details = Mapping[str, WorkloadDetails | ToolhiveError]


class ToolhiveCollector:
    """Tells of the MCP servers that the ToolHive of this machine runs, or the one that TOOLHIVE_URL names."""

    name = "toolhive"
    prefix = "toolhive_"
    keys = TOOLHIVE_KEYS

    def __init__(self, workspace: "Workspace", client: ToolhiveClient | None = None) -> None:
        self._settings = workspace.settings
        self._client = client
        self._was_there = False

    @property
    def refresh_seconds(self) -> float:
        return self._settings.metadata_refresh_seconds

    async def subject(self) -> str | None:
        """The address of the settings: another ToolHive of this machine is still that of this machine."""
        return self._settings.toolhive_url

    async def collect(self) -> Reading:
        """What ToolHive tells of its workloads.

        Raises NotApplicable where there is no ToolHive and was none before; CollectionFailed.
        """
        try:
            reading = await self._reading()
        except ToolhiveNotFound as error:
            raise (CollectionFailed if self._was_there else NotApplicable)(_why(error)) from error
        except ToolhiveError as error:
            raise CollectionFailed(_why(error)) from error
        self._was_there = True
        return reading

    async def close(self) -> None:
        if self._client:
            await self._client.close()

    async def _reading(self) -> Reading:
        if self._client is None:
            # Reading the certificates takes a while.
            self._client = await asyncio.to_thread(_client_of, self._settings.toolhive_url)
        listing = await self._client.list_workloads()
        workloads = sorted(listing.workloads, key=lambda workload: workload.name)
        remote = [workload.name for workload in workloads if workload.remote]
        version, details = await asyncio.gather(
            _version(self._client), self._client.get_details_of(remote[:_MOST_DETAILS], _DETAILS_SECONDS)
        )
        return Reading(_values(version, workloads, details), _warnings(version, listing, details))


def _client_of(url: str | None) -> ToolhiveClient:
    try:
        return ToolhiveClient(url, timeout_seconds=_SECONDS)
    except ValueError as error:
        raise ToolhiveError(f"TOOLHIVE_URL is {error}") from None


async def _version(client: ToolhiveClient) -> str | ToolhiveError:
    try:
        return await client.get_version()
    except ToolhiveError as error:
        return error


def _values(version: str | ToolhiveError, workloads: Sequence[Workload], details: _Details) -> dict[str, Any]:
    return {
        VERSION: version if isinstance(version, str) else None,
        "toolhive_workload_count": len(workloads),
        "toolhive_running_count": sum(workload.status == "running" for workload in workloads),
        "toolhive_unhealthy_count": sum(workload.status in _UNHEALTHY for workload in workloads),
        "toolhive_workloads": [_shown(workload, details) for workload in workloads],
    }


def _shown(workload: Workload, details: _Details) -> dict[str, Any]:
    return {
        "name": workload.name,
        "status": workload.status,
        "transport": workload.transport,
        "url": workload.url,
        "remote": workload.remote,
        "group": workload.group,
        "package": _upstream(details.get(workload.name)) if workload.remote else workload.image,
    }


def _upstream(details: WorkloadDetails | ToolhiveError | None) -> str | None:
    return details.url if isinstance(details, WorkloadDetails) else None


def _warnings(version: str | ToolhiveError, listing: Listing, details: _Details) -> list[str]:
    unknown = {VERSION: version} | {f"the package of {name}": told for name, told in details.items()}
    warnings = [
        f"{what} is not known: {_why(told)}"
        for what, told in unknown.items()
        if isinstance(told, ToolhiveError)
    ]
    if listing.unreadable:
        warnings.append(
            f"left out are {listing.unreadable} workloads that cannot be read; the log has their names"
        )
    return warnings


def _why(error: ToolhiveError) -> str:
    """Without the full stop, as more may follow."""
    return str(error).removesuffix(".")
