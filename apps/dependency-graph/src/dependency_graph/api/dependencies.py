from hashlib import blake2b
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response

from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.wiring import API, Reader
from dependency_graph.application.queries import DependencyQuery, Direction
from dependency_graph.domain.errors import ServiceNotFound

router = APIRouter(prefix=API)

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


@router.get(
    "/services/{service_id:service_id}/dependencies",
    summary="What a service depends on, and what depends on it",
    tags=["dependencies"],
)
async def get_dependencies(
    query: Annotated[DependencyQuery, Depends(dependency_query)],
    reader: Reader,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Walk the graph from a service, in one direction or in both (never turning round).

    `edges` are those walked, also where they close a cycle; several sources of one are merged. Beyond
    `limit` the answer is `truncated` and says how much is left out. The `ETag` changes with the graph.
    """
    digest = blake2b(repr(query).encode(errors="surrogatepass"), digest_size=9).hexdigest()
    if if_none_match and f'"{await reader.generation()}-{digest}"' in if_none_match:
        return Response(status_code=304, headers={"ETag": if_none_match})
    answer = await reader.dependencies(query)
    if answer is None:
        raise ServiceNotFound(query.service_id)
    headers = {"ETag": f'"{answer.generation}-{digest}"'}
    return Response(answer.body, media_type="application/json", headers=headers)
