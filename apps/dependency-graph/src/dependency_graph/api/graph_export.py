from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from dependency_graph.api.export_formats.backstage import write_backstage
from dependency_graph.api.export_formats.dot import write_dot
from dependency_graph.api.export_formats.graph_json import write_json
from dependency_graph.api.export_formats.graphml import write_graphml
from dependency_graph.api.export_formats.mermaid import write_mermaid
from dependency_graph.api.patient_stream import PatientStream
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Service
from dependency_graph.application.queries import WholeGraph
from dependency_graph.schemas.dependencies import EdgeAnswer, ServiceAnswer, WithStale

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["dependencies"])

SEND_SECONDS = 30
"""For the reader to take a piece."""

EXPORT_SECONDS = 1800
"""For the reader to take it all."""

FormatName = Literal["json", "graphml", "dot", "mermaid", "backstage"]


class _Format(NamedTuple):
    media_type: str
    write: Callable[[WholeGraph], AsyncIterator[str]]


_FORMATS: dict[FormatName, _Format] = {
    "json": _Format("application/json", write_json),
    "graphml": _Format("application/graphml+xml", write_graphml),
    "dot": _Format("text/vnd.graphviz", write_dot),
    "mermaid": _Format("text/vnd.mermaid", write_mermaid),
    "backstage": _Format("application/yaml", write_backstage),
}
_AS_TEXT: dict[str, Any] = {
    known.media_type: {"schema": {"type": "string"}} for name, known in _FORMATS.items() if name != "json"
}


class WholeGraphAnswer(BaseModel):
    """All services and dependencies at one generation, in order of their ids; here to be documented."""

    generation: int
    nodes: list[ServiceAnswer]
    edges: list[EdgeAnswer]


async def whole_graph(
    service: Service,
    include_stale: WithStale = False,
) -> AsyncGenerator[WholeGraph]:
    async with service.exports.open(include_stale=include_stale) as graph:
        yield graph


@router.get(
    "/graph",
    responses={200: {"model": WholeGraphAnswer, "content": _AS_TEXT}},
    summary="The whole graph",
)
async def get_graph(
    graph: Annotated[WholeGraph, Depends(whole_graph)],
    form: Annotated[FormatName, Query(alias="format")] = "json",
) -> Response:
    """Export all services and dependencies, as they are at one moment, in order of their ids.

    `backstage` gives entities for its catalogue, one YAML document for each service, whose true id is in the
    annotation `fleet/service-id`. `dot` doubles backslashes, `graphml` has U+FFFD for what XML cannot hold, and
    Mermaid itself draws 500 arrows at most, unless it is configured for more. Two exports at once are made by each process, any more get 503. A reader who
    takes nothing for 30 s, or is not done after 30 minutes, is cut off, and then the answer lacks its end.
    """
    chosen = _FORMATS[form]
    return PatientStream(
        chosen.write(graph), chosen.media_type, send_seconds=SEND_SECONDS, all_seconds=EXPORT_SECONDS
    )
