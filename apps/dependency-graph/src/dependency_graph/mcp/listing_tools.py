from typing import Annotated

from fastmcp.exceptions import ToolError
from pydantic import Field

from dependency_graph.application.queries import ServiceFilter
from dependency_graph.domain.cycle import AlertStatus
from dependency_graph.domain.service import Criticality
from dependency_graph.mcp.errors import told_as
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.schemas.bodies import Name
from dependency_graph.schemas.cursor import IdCursor, PageSize, TextCursor
from dependency_graph.schemas.pages import AlertPage, ServicePage


class ListingTools:
    """Tools that list what is known; their docstrings are what an agent reads."""

    def __init__(self, service: GraphService) -> None:
        self._service = service

    async def find_services(
        self,
        q: Annotated[Name | None, Field(description="part of the id, in any case")] = None,
        team: Annotated[Name | None, Field(description="exactly this team")] = None,
        criticality: Criticality | None = None,
        discovered: Annotated[
            bool | None, Field(description="true: only placeholders; false: only registered services")
        ] = None,
        limit: PageSize = 100,
        cursor: TextCursor = None,
    ) -> ServicePage:
        """Find services by a part of their id, by team or by criticality, in order of their ids.

        Use it first when you do not know the exact `service_id` that other tools want. All conditions given
        must hold; without any, all services are listed. `discovered` services were seen as an end of a
        dependency, but nobody has registered them. For the next page, call again with `next_cursor`.
        """
        wanted = ServiceFilter(team, criticality, discovered, q)
        with told_as(ToolError):
            return ServicePage.of(await self._service.reader.services(wanted, cursor or "", limit + 1), limit)

    async def list_circular_dependencies(
        self,
        status: Annotated[
            AlertStatus | None,
            Field(description="open: needs attention; acknowledged: known; resolved: gone"),
        ] = None,
        limit: PageSize = 100,
        cursor: IdCursor = None,
    ) -> AlertPage:
        """The circular dependencies that were found, the newest first.

        `cycle_path` starts and ends with the same service; each service on it depends on the next. For the
        next page, call again with `next_cursor`.
        """
        with told_as(ToolError):
            return AlertPage.of(await self._service.reader.alerts(status, cursor, limit + 1), limit)
