"""What is asked of the dependencies of a service, and how it is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from dependency_graph.application.queries import DependencyQuery, Direction
from dependency_graph.domain.dependency import CommunicationMode, DependencyCriticality, DiscoverySource
from dependency_graph.domain.service import Criticality, ServiceType

_DEPENDENCY_CRITICALITIES = frozenset(DependencyCriticality)

WhichWay = Annotated[Direction, Field(description="downstream: what it needs; upstream: what needs it")]
Depth = Annotated[int, Field(ge=1, le=10, description="steps from the service")]
ALL_THE_WAY = 1000
ImpactDepth = Annotated[
    int, Field(ge=1, le=ALL_THE_WAY, description="steps from the service; all the way unless told")
]
WithStale = Annotated[bool, Field(description="also what was not observed for a week")]
WithExternal = Annotated[bool, Field(description="also what is not ours to run")]
Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
EitherCriticality = Annotated[
    Literal["hard", "soft", "degraded", "critical", "high", "medium", "low"] | None,
    Field(description="hard, soft, degraded: only such dependencies; else only such services"),
]
MostServices = Annotated[int, Field(ge=1, le=10000, description="services, the nearest first")]


def dependency_query(
    service_id: str,
    direction: Direction,
    depth: int,
    include_stale: bool,
    include_external: bool,
    min_confidence: float,
    criticality: str | None,
    limit: int,
) -> DependencyQuery:
    """A query of which `criticality` may be that of dependencies or that of services."""
    of_dependency = criticality in _DEPENDENCY_CRITICALITIES
    return DependencyQuery(
        service_id,
        direction,
        depth,
        include_stale,
        include_external,
        min_confidence,
        criticality if of_dependency else None,
        None if of_dependency else criticality,
        limit,
    )


class ServiceAnswer(BaseModel):
    service_id: str
    id: UUID
    team: str | None
    criticality: Criticality
    service_type: ServiceType
    metadata: dict[str, Any]
    discovered: bool


class NodeAnswer(ServiceAnswer):
    """A service that was reached; `distance` counts steps."""

    distance: int


class EdgeAnswer(BaseModel):
    """A dependency, merged of all sources that report it.

    Attributes are those of `discovery_source`. Rates are per second, `error_rate` is 0 to 1.
    """

    source: str
    target: str
    communication_mode: CommunicationMode
    criticality: DependencyCriticality
    protocol: str | None
    timeout_ms: int | None
    retry_config: dict[str, Any] | None
    confidence_score: float
    discovery_source: DiscoverySource
    discovery_sources: list[DiscoverySource]
    request_rate: float | None
    error_rate: float | None
    p95_ms: float | None
    last_observed_at: datetime
    is_stale: bool


class StatisticsAnswer(BaseModel):
    """Counts of what is returned; the `omitted` ones are there where the answer is truncated."""

    total_nodes: int
    total_edges: int
    upstream_services: int
    downstream_services: int
    max_depth_reached: int
    omitted_nodes: int = 0
    omitted_edges: int = 0


class DependenciesAnswer(BaseModel):
    """What the query writes (`dependencies_of` in `graph_queries.sql`); here to be documented."""

    service_id: str
    direction: Direction
    depth: int
    generation: int
    nodes: list[NodeAnswer]
    edges: list[EdgeAnswer]
    statistics: StatisticsAnswer
    truncated: bool
