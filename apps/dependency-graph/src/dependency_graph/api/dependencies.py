from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from dependency_graph.api.etag import etag_of, is_known
from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Reader
from dependency_graph.application.queries import DependencyQuery
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.schemas.dependencies import (
    Confidence,
    DependenciesAnswer,
    Depth,
    EitherCriticality,
    MostServices,
    WhichWay,
    WithExternal,
    WithStale,
    dependency_query,
)

router = APIRouter(prefix=API, route_class=StrictRoute)


async def query(
    service_id: ServiceId,
    direction: WhichWay = "both",
    depth: Depth = 3,
    include_stale: WithStale = False,
    include_external: WithExternal = True,
    min_confidence: Confidence = 0,
    criticality: EitherCriticality = None,
    limit: MostServices = 1000,
) -> DependencyQuery:
    return dependency_query(
        service_id=service_id,
        direction=direction,
        depth=depth,
        include_stale=include_stale,
        include_external=include_external,
        min_confidence=min_confidence,
        criticality=criticality,
        limit=limit,
    )


# Not a parameter of the route, which would read one line of it, and there may be several.
_IF_NONE_MATCH: dict[str, Any] = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "the `ETag` of an answer that is there already",
            "schema": {"type": "string"},
        }
    ]
}


@router.get(
    "/services/{service_id:service_id}/dependencies",
    responses={200: {"model": DependenciesAnswer}, 304: {"description": "As `If-None-Match` has it"}},
    summary="What a service depends on, and what depends on it",
    tags=["dependencies"],
    openapi_extra=_IF_NONE_MATCH,
)
async def get_dependencies(
    query: Annotated[DependencyQuery, Depends(query)],
    reader: Reader,
    request: Request,
) -> Response:
    """Walk the graph from a service, in one direction or in both (never turning round).

    `edges` are those walked, also where they close a cycle; several sources of one are merged. Beyond
    `limit` the answer is `truncated` and says how much is left out. The `ETag` changes with the graph.
    """
    answer = await reader.dependencies(query)
    if answer is None:
        raise ServiceNotFound(query.service_id)
    headers = {"ETag": etag_of(answer.version, query)}
    if is_known(headers["ETag"], request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)
