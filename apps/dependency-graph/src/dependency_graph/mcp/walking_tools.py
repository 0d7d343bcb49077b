import json
from typing import Annotated

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from pydantic import Field

from dependency_graph.application.analyze_impact import BlastRadius, analyze_impact
from dependency_graph.application.find_paths import ShortestPaths, find_paths
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.mcp.errors import AnswerTooLong, told_as
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.schemas.bodies import Ident
from dependency_graph.schemas.dependencies import (
    ALL_THE_WAY,
    Confidence,
    Depth,
    EitherCriticality,
    ImpactDepth,
    MostServices,
    WhichWay,
    WithExternal,
    WithStale,
    dependency_query,
)

MOST_BYTES = 2 * 2**20
"""Of an answer about dependencies: an agent is told it twice, as text and as data."""


class WalkingTools:
    """Tools that walk along dependencies; their docstrings are what an agent reads."""

    def __init__(self, service: GraphService) -> None:
        self._service = service

    async def query_dependencies(
        self,
        service_id: Ident,
        direction: WhichWay = "both",
        depth: Depth = 3,
        include_stale: WithStale = False,
        include_external: WithExternal = True,
        min_confidence: Confidence = 0,
        criticality: EitherCriticality = None,
        limit: MostServices = 100,
    ) -> ToolResult:
        """What a service depends on (downstream) and what depends on it (upstream), step by step.

        Use it to see the surroundings of one service. `nodes` are the services reached, the nearest first,
        with their `distance` in steps; the service itself is not among them. `edges` are the dependencies
        walked: `source` depends on `target`. If `truncated` is true, `statistics` counts what is left out:
        ask again with a smaller `depth`, one `direction` or a larger `limit`. An answer of more than 2 MiB is
        refused. To learn what breaks when the service fails, use analyze_impact.
        """
        query = dependency_query(
            service_id=service_id,
            direction=direction,
            depth=depth,
            include_stale=include_stale,
            include_external=include_external,
            min_confidence=min_confidence,
            criticality=criticality,
            limit=limit,
        )
        with told_as(ToolError):
            answer = await self._service.reader.dependencies(query)
            if answer is None:
                raise ServiceNotFound(service_id)
            if len(answer.body) > MOST_BYTES:
                raise AnswerTooLong(len(answer.body), MOST_BYTES)
        return ToolResult(content=answer.body.decode(), structured_content=json.loads(answer.body))

    async def analyze_impact(
        self,
        service_id: Ident,
        depth: ImpactDepth = ALL_THE_WAY,
        limit: Annotated[int, Field(ge=1, le=10000, description="services, the most critical first")] = 100,
    ) -> BlastRadius:
        """What breaks when a service fails: its blast radius.

        Lists the services upstream that need it, directly or through others, the most critical first, then
        the nearest. `impact` is "fails" where some path is hard all the way, else "degrades"; `path` is an
        example, from the impacted service to the failing one. `statistics` counts all of them, also those
        beyond `limit`. Use it before a risky change, or during an incident.
        """
        with told_as(ToolError):
            return await analyze_impact(service_id, depth, limit, self._service.topology)

    async def find_paths(self, source: Ident, target: Ident) -> ShortestPaths:
        """Why does one service depend on another: all shortest paths from `source` to `target`, at most 10.

        Each path starts with `source` and ends with `target`; each service on it depends on the next.
        `paths` is empty and `length` null where `source` does not depend on `target`; the other way round
        may still exist, so swap the two to see.
        """
        with told_as(ToolError):
            return await find_paths(source, target, self._service.topology)
