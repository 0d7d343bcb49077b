from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel

from dependency_graph.api.etag import is_known
from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Reader
from dependency_graph.application.queries import DependencyQuery, Direction
from dependency_graph.domain.dependency import CommunicationMode, DependencyCriticality, DiscoverySource
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.domain.service import Criticality, ServiceType

router = APIRouter(prefix=API, route_class=StrictRoute)

_DEPENDENCY_CRITICALITIES = ("hard", "soft", "degraded")

DependencyOrServiceCriticality = Literal["hard", "soft", "degraded", "critical", "high", "medium", "low"]


async def dependency_query(
    service_id: ServiceId,
    direction: Annotated[
        Direction, Query(description="downstream: what it needs; upstream: what needs it")
    ] = "both",
    depth: Annotated[int, Query(ge=1, le=10, description="steps from the service")] = 3,
    include_stale: Annotated[bool, Query(description="also what was not observed for a week")] = False,
    include_external: Annotated[bool, Query(description="also what is not ours to run")] = True,
    min_confidence: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0,
    criticality: Annotated[
        DependencyOrServiceCriticality | None,
        Query(description="hard, soft, degraded: only such dependencies; else only such services"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10000, description="services, the nearest first")] = 1000,
) -> DependencyQuery:
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


class NodeAnswer(BaseModel):
    """A service that was reached; `distance` counts steps."""

    service_id: str
    id: UUID
    team: str | None
    criticality: Criticality
    service_type: ServiceType
    metadata: dict[str, Any]
    discovered: bool
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


@router.get(
    "/services/{service_id:service_id}/dependencies",
    responses={200: {"model": DependenciesAnswer}, 304: {"description": "As `If-None-Match` has it"}},
    summary="What a service depends on, and what depends on it",
    tags=["dependencies"],
)
async def get_dependencies(
    query: Annotated[DependencyQuery, Depends(dependency_query)],
    reader: Reader,
    if_none_match: Annotated[list[str] | None, Header()] = None,
) -> Response:
    """Walk the graph from a service, in one direction or in both (never turning round).

    `edges` are those walked, also where they close a cycle; several sources of one are merged. Beyond
    `limit` the answer is `truncated` and says how much is left out. The `ETag` changes with the graph.
    """
    digest = blake2b(repr(query).encode(errors="surrogatepass"), digest_size=9).hexdigest()
    answer = await reader.dependencies(query)
    if answer is None:
        raise ServiceNotFound(query.service_id)
    headers = {"ETag": f'"{answer.generation}-{digest}"'}
    if is_known(headers["ETag"], if_none_match or ()):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)
