"""What the use cases need from the world; `infrastructure` has the real ones, `tests/fakes.py` the others.

All ports of one write belong to one transaction: nothing is visible to others before its end.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from dependency_graph.domain.cycle import Alert
from dependency_graph.domain.dependency import Dependency, DiscoverySource, Pair
from dependency_graph.domain.impact import Link
from dependency_graph.domain.mcp_server import McpServer, RegistryEntry, WorkloadKey
from dependency_graph.domain.service import Criticality, Service
from dependency_graph.domain.span import Call, Half
from dependency_graph.domain.sync_run import SyncRun


class Services(Protocol):
    async def find(self, service_ids: Collection[str]) -> Mapping[str, Service]:
        """Those of `service_ids` that are known, by id."""
        ...

    async def unknown(self, service_ids: Collection[str]) -> Sequence[str]:
        """Those of `service_ids` that are not known, in order."""
        ...

    async def save(self, services: Collection[Service]) -> int:
        """Insert or replace; the number of services that are new or differ now."""
        ...

    async def delete(self, service_id: str) -> int | None:
        """Remove a service and its dependencies; their number, or None if there is no such service."""
        ...

    async def idle_placeholders(self, beginnings: Collection[str]) -> Sequence[str]:
        """The placeholders without any dependency whose id has one of `beginnings`."""
        ...

    async def withdraw(self, service_ids: Collection[str]) -> Sequence[str]:
        """Remove those of `service_ids` that are placeholders without any dependency; which these were."""
        ...


class Dependencies(Protocol):
    async def find(self, pairs: Collection[Pair]) -> Mapping[Pair, Sequence[Dependency]]:
        """What every source knows of `pairs`."""
        ...

    async def save(self, dependencies: Collection[Dependency]) -> int:
        """Insert or replace; the number of dependencies that are new or differ now."""
        ...

    async def withdraw(self, pairs: Collection[Pair], source: DiscoverySource) -> int:
        """Remove what `source` knows of `pairs`; of how many it knew something."""
        ...

    async def callers(self, service_ids: Collection[str]) -> Collection[str]:
        """Those of `service_ids` that depend on any service, by stale dependencies too."""
        ...

    async def reachable_from(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        """All pairs on paths that start at `service_ids`, stale ones left out; None if they are more."""
        ...

    async def leading_to(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        """As `reachable_from`, on paths that end at `service_ids`."""
        ...

    def fresh(self) -> AsyncIterator[Sequence[Pair]]:
        """All pairs of the graph in parts, stale ones left out."""
        ...

    async def mark_stale(self, last_observed: datetime) -> int:
        """Mark what was observed at `last_observed` or before, except manual ones; how many were fresh."""
        ...


class Alerts(Protocol):
    async def get(self, alert_id: UUID) -> Alert | None: ...

    async def through(self, service_ids: Collection[str]) -> Sequence[Alert]:
        """The alerts whose cycle visits one of `service_ids`, whatever their status."""
        ...

    async def unresolved(self) -> Sequence[Alert]:
        """All alerts that are open or acknowledged."""
        ...

    async def save(self, alerts: Collection[Alert]) -> None: ...


class McpServers(Protocol):
    """The registry and the workloads of ToolHive."""

    async def entries(self) -> Sequence[RegistryEntry]: ...

    async def save_entries(self, entries: Collection[RegistryEntry]) -> int:
        """Insert or replace by name; the number of entries that are new or differ now."""
        ...

    async def delete_entries(self, names: Collection[str]) -> int:
        """Remove entries; how many there were. Workloads that were made from them are so no more."""
        ...

    async def all(self) -> Sequence[McpServer]:
        """The workloads of all runtimes."""
        ...

    async def save(self, servers: Collection[McpServer]) -> int:
        """Insert or replace by key; the number that are new or differ now. The entries matched are there."""
        ...

    async def delete(self, keys: Collection[WorkloadKey]) -> int:
        """Remove workloads; how many there were."""
        ...


class Generation(Protocol):
    async def lock(self) -> int:
        """Wait until no other write is under way; the number of the graph as it stands."""
        ...

    async def advance(self) -> int:
        """The number of the graph that this transaction makes."""
        ...


class OpenSpans(Protocol):
    async def meet(self, halves: Collection[Half]) -> Sequence[Call]:
        """Add `halves` to those that wait; the calls both of whose halves are there now.

        Waits until no other transaction does the same. A caller's half stays for 60 s, as there may be
        several callees; a callee's goes when it is paired.
        """
        ...


class Graph(Protocol):
    """The graph inside one transaction."""

    def count_ingested(self, source: DiscoverySource, services: int, dependencies: int) -> None:
        """Add to what the transaction takes in from `source`; it is counted when that is committed."""
        ...

    @property
    def services(self) -> Services: ...
    @property
    def dependencies(self) -> Dependencies: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def mcp_servers(self) -> McpServers: ...
    @property
    def generation(self) -> Generation: ...


class UpstreamService(NamedTuple):
    criticality: Criticality
    team: str | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """What leads to a service within some steps: each fresh pair once, and the services at their ends."""

    generation: int
    services: Mapping[str, UpstreamService]
    links: Iterable[Link]


class TopologySnapshot(Protocol):
    """Who depends on whom at one moment; stale dependencies left out."""

    async def known(self, service_ids: Collection[str]) -> Collection[str]:
        """Those of `service_ids` that are in the graph."""
        ...

    async def downstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        """The pairs whose source is one of `service_ids`, each once."""
        ...

    async def upstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        """The pairs whose target is one of `service_ids`, each once."""
        ...


class Topology(Protocol):
    async def upstream(self, service_id: str, depth: int) -> Upstream | None:
        """What leads to a service in at most `depth` steps, or None if there is no such service."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[TopologySnapshot]: ...


class Turn(Protocol):
    """The right to run one source, which nobody else has until `end`."""

    async def begin(self) -> SyncRun:
        """The record of a new run. What an earlier one left running is recorded as interrupted."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Graph]:
        """The graph, to be changed only as long as the turn is not lost."""
        ...

    async def finish(self, run: SyncRun) -> SyncRun:
        """Store how `run` ended; the record with its end."""
        ...

    async def end(self) -> None: ...


class SyncRuns(Protocol):
    async def take_turn(self, source: str) -> Turn | None:
        """The turn of `source`, or None where another process has it."""
        ...

    async def histories(self, sources: Collection[str]) -> Mapping[str, Sequence[SyncRun]]:
        """The last runs of each source, the newest first; a run whose process is gone is told as failed."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """What was measured between two services for one `connection_type`; None could not be told.

    `request_rate` and `failed_rate` are per second.
    """

    client: str
    server: str
    connection_type: str
    request_rate: float | None = None
    failed_rate: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceGraph:
    """All connections seen in a window of time, and what is doubtful about them."""

    connections: Sequence[Connection]
    warnings: Sequence[str] = ()


class ServiceGraphSource(Protocol):
    async def observe(self, at: datetime) -> ServiceGraph:
        """The service graph as it stood at `at`, complete, or else SourceFailed."""
        ...


@dataclass(frozen=True, slots=True)
class ObservedWorkload:
    """A workload as it is now; `package` is None where that could not be told this time."""

    key: WorkloadKey
    package: str | None
    remote: bool
    status: str
    transport: str | None = None
    proxy_mode: str | None = None
    url: str | None = None
    group: str | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedWorkloads:
    """The workloads of one runtime, those left out that are not wanted.

    `complete`: all that there are could be read. `empty`: there are none at all, wanted or not.
    """

    runtime: str
    workloads: Sequence[ObservedWorkload]
    complete: bool
    empty: bool
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ObservedRegistry:
    """The entries of the registry; `complete`: all that there are could be read."""

    entries: Sequence[RegistryEntry]
    complete: bool
    warnings: Sequence[str] = ()


class Toolhive(Protocol):
    """The methods raise SourceFailed."""

    async def workloads(self) -> ObservedWorkloads: ...

    async def registry(self) -> ObservedRegistry: ...
