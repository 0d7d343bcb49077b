from datetime import UTC, datetime
from typing import Annotated

from fastmcp.exceptions import ToolError
from pydantic import Field

from dependency_graph.application.ingest import Batch, ingest
from dependency_graph.domain.dependency import DiscoverySource
from dependency_graph.mcp.errors import told_as
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.schemas.bodies import EdgeTold, Instant, NodeTold
from dependency_graph.schemas.ingest import IngestAnswer


class IngestTool:
    """The tool that writes; its docstring is what an agent reads."""

    def __init__(self, service: GraphService) -> None:
        self._service = service

    async def ingest_dependencies(
        self,
        source: Annotated[
            DiscoverySource, Field(description="who knows it; `manual` for what you were told")
        ],
        nodes: Annotated[list[NodeTold], Field(description="services to register or describe")] = [],  # noqa: B006
        edges: Annotated[
            list[EdgeTold], Field(description="dependencies: each `source` depends on its `target`")
        ] = [],  # noqa: B006
        timestamp: Annotated[
            Instant | None, Field(description="when it was observed, as in RFC 3339; now if left out")
        ] = None,
    ) -> IngestAnswer:
        """Store services and dependencies that one source observed: all of it, or nothing if a part is wrong.

        It adds and replaces, and never removes: the `metadata` of a node replaces what was there, without
        `metadata` it stays. Services that only stand in edges become placeholders. The same call with the
        same `timestamp` changes nothing more. The answer lists the circular dependencies through these edges,
        conflicts with other sources, and warnings: read them. At most 4 MiB; more at once goes over HTTP.
        """
        now = datetime.now(UTC)
        batch = Batch(
            source, timestamp or now, [node.as_node() for node in nodes], [edge.as_edge() for edge in edges]
        )
        with told_as(ToolError):
            async with self._service.transaction() as graph:
                done = await ingest(batch, graph, now)
        return IngestAnswer.of(len(nodes), len(edges), done)
