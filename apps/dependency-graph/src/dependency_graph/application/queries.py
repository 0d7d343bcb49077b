"""What can be asked of the graph, and how it is answered. Reads know no domain objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
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


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """A finished answer, and the generation of the graph that it tells of."""

    generation: int
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
    async def generation(self) -> int:
        """The generation of the graph now: every write that was answered before the call is in it."""
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
