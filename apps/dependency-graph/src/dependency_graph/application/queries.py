"""What can be asked of the graph, and how it is answered. Reads know no domain objects."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

Direction = Literal["both", "upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class DependencyQuery:
    """Which dependencies of a service are wanted.

    `depth` counts steps, `limit` services. `dependency_criticality` leaves out the dependencies of another
    one, `service_criticality` the services.
    """

    service_id: str
    direction: Direction
    depth: int
    include_stale: bool
    include_external: bool
    min_confidence: float
    dependency_criticality: str | None
    service_criticality: str | None
    limit: int


class GraphVersion(NamedTuple):
    """Which state of the graph: no two have the same `revision`, not even of two databases.

    A `generation` comes again, with other content, where a backup is restored or commits are lost.
    """

    revision: UUID
    generation: int


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """A finished answer, and the version of the graph that it tells of."""

    version: GraphVersion
    body: bytes


@dataclass(frozen=True, slots=True)
class ServiceFilter:
    """Which services are wanted: all that fulfil what is not None; `text` is part of the id, in any case."""

    team: str | None
    criticality: str | None
    discovered: bool | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ServiceView:
    service_id: str
    id: UUID
    team: str | None
    criticality: str
    service_type: str
    metadata: Mapping[str, Any]
    discovered: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AlertView:
    alert_id: UUID
    cycle_path: Sequence[str]
    status: str
    detected_at: datetime
    acknowledged_by: str | None
    resolution_notes: str | None
    resolved_at: datetime | None


class GraphReader(Protocol):
    async def version(self) -> GraphVersion:
        """The version of the graph now: every write that was answered before the call is in it."""
        ...

    async def dependencies(self, query: DependencyQuery) -> GraphAnswer | None:
        """The dependencies of a service as JSON, or None if there is no such service."""
        ...

    async def service(self, service_id: str) -> ServiceView | None: ...

    async def services(self, wanted: ServiceFilter, after: str, limit: int) -> Sequence[ServiceView]:
        """The services whose id comes after `after`, in order of their ids, at most `limit`."""
        ...

    async def alerts(self, status: str | None, after: UUID | None, limit: int) -> Sequence[AlertView]:
        """The alerts that come after `after`, the newest first, at most `limit`."""
        ...


class WholeGraph(Protocol):
    """All services and dependencies at one generation, in order of their ids, read piece by piece."""

    @property
    def generation(self) -> int: ...

    def nodes(self) -> AsyncIterator[Sequence[str]]:
        """Services as JSON, each as `dependencies` has it without its distance."""
        ...

    def edges(self) -> AsyncIterator[Sequence[str]]:
        """Dependencies as JSON, each as `dependencies` has it."""
        ...

    def nodes_with_targets(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Services as JSON, each with a JSON array of the id and type of all that it depends on."""
        ...


class GraphExports(Protocol):
    def open(self, *, include_stale: bool) -> AbstractAsyncContextManager[WholeGraph]:
        """The graph to be read while the context is open; raises TooManyExports."""
        ...
