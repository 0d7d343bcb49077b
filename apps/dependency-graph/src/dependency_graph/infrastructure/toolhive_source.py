"""The workloads and the registry of ToolHive, through its API server or the API of Kubernetes."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from dependency_graph.application.ports import ObservedRegistry, ObservedWorkload, ObservedWorkloads
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import RegistryEntry, WorkloadKey
from toolhive_client import (
    KubernetesClient,
    RegistryServer,
    ToolhiveClient,
    ToolhiveError,
    Workload,
    WorkloadDetails,
)

DOCKER, KUBERNETES = "docker", "k8s"
_LOGGED = 10

Details = Mapping[str, WorkloadDetails | ToolhiveError]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workloads belong into the inventory: none of `skipped`, and of `groups` only, if there are any."""

    skipped: Collection[str] = ()
    groups: Collection[str] = ()

    def has(self, workload: Workload) -> bool:
        return workload.name not in self.skipped and (not self.groups or workload.group in self.groups)


class ToolhiveSource:
    """See the port. The registry is that of `toolhive`; so are the workloads, unless they run on `kubernetes`."""

    def __init__(self, toolhive: ToolhiveClient, kubernetes: KubernetesClient | None, wanted: Wanted) -> None:
        self._toolhive = toolhive
        self._kubernetes = kubernetes
        self._wanted = wanted

    async def workloads(self) -> ObservedWorkloads:
        with _told():
            listing = await (self._kubernetes or self._toolhive).list_workloads()
        wanted = [workload for workload in listing.workloads if self._wanted.has(workload)]
        packages = await self._packages(wanted)
        runtime = KUBERNETES if self._kubernetes else DOCKER
        return ObservedWorkloads(
            runtime,
            [_workload(runtime, workload, packages[workload]) for workload in wanted],
            complete=not listing.unreadable,
            empty=not listing.workloads and not listing.unreadable,
            warnings=_unreadable(listing.unreadable, "workload"),
        )

    async def registry(self) -> ObservedRegistry:
        with _told():
            registry = await self._toolhive.get_registry()
        entries = [_entry(server) for server in registry.servers]
        return ObservedRegistry(entries, not registry.unreadable, _unreadable(registry.unreadable, "entry"))

    async def _packages(self, workloads: Sequence[Workload]) -> Mapping[Workload, str | None]:
        """What each was made from: of a remote one ToolHive's API server tells that in the details only."""
        details = await self._details(workloads)
        packages = {workload: _package(workload, details.get(workload.name)) for workload in workloads}
        _log_missing([workload.name for workload, package in packages.items() if not package], details)
        return packages

    async def _details(self, workloads: Sequence[Workload]) -> Details:
        if self._kubernetes:
            return {}
        return await self._toolhive.get_details_of(
            [workload.name for workload in workloads if workload.remote]
        )


def _package(workload: Workload, details: WorkloadDetails | ToolhiveError | None) -> str | None:
    match details:
        case ToolhiveError():
            return None
        case WorkloadDetails():
            return details.url
        case None:
            return workload.upstream_url if workload.remote else workload.image


def _log_missing(names: Sequence[str], details: Details) -> None:
    if names:
        errors = {name: str(details[name]) for name in names if isinstance(details.get(name), ToolhiveError)}
        told = {name: errors.get(name, "it tells no image and no URL") for name in names[:_LOGGED]}
        _log.warning("mcp_server_details_missing", number=len(names), errors=told)


def _workload(runtime: str, workload: Workload, package: str | None) -> ObservedWorkload:
    return ObservedWorkload(
        WorkloadKey(runtime, workload.namespace, workload.name),
        package,
        workload.remote,
        workload.status,
        workload.transport,
        workload.proxy_mode,
        workload.url,
        workload.group,
        workload.tools,
    )


def _entry(server: RegistryServer) -> RegistryEntry:
    return RegistryEntry(
        server.name,
        server.images,
        server.urls,
        server.title,
        server.description,
        server.transport,
        server.status,
        server.tier,
        server.repository_url,
        server.tags,
        server.tools,
    )


def _unreadable(number: int, noun: str) -> Sequence[str]:
    if not number:
        return ()
    return [f"{number} could not be read and so nothing is removed; the log names each bad {noun}"]


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except ToolhiveError as error:
        raise SourceFailed(str(error)) from error
