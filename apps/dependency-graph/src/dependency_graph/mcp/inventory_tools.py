from fastmcp.exceptions import ToolError

from dependency_graph.application.inventory_queries import McpServerDetails, McpServerFilter
from dependency_graph.domain.errors import McpServerNotFound
from dependency_graph.mcp.errors import told_as
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.schemas.cursor import PageSize, TextCursor
from dependency_graph.schemas.mcp_servers import (
    FromRegistry,
    InGroup,
    InStatus,
    McpServerPage,
    Remote,
    ServerName,
)


class InventoryTools:
    """Tools that tell which MCP servers are deployed; their docstrings are what an agent reads."""

    def __init__(self, service: GraphService) -> None:
        self._service = service

    async def list_mcp_servers(
        self,
        from_registry: FromRegistry = None,
        group: InGroup = None,
        status: InStatus = None,
        remote: Remote = None,
        limit: PageSize = 100,
        cursor: TextCursor = None,
    ) -> McpServerPage:
        """The MCP servers that ToolHive runs, in order of their names.

        All conditions given must hold; without any, all servers are listed. `package` is what a server was
        made from: an image, or the URL that a remote one leads to; `url` is where clients reach it. With
        `from_registry` false nobody has described it. To see what a server depends on, give its `service_id`
        to query_dependencies. For the next page, call again with `next_cursor`.
        """
        wanted = McpServerFilter(from_registry, group, status, remote)
        with told_as(ToolError):
            found = await self._service.inventory.mcp_servers(wanted, cursor or "", limit + 1)
        return McpServerPage.of(found, limit)

    async def get_mcp_server(self, name: ServerName) -> McpServerDetails:
        """One MCP server that ToolHive runs, with the entry of the registry that it was made from.

        `name` is as list_mcp_servers has it, in Kubernetes `<namespace>/<name>`. `registry_entry` is null
        where the registry does not know the server. `version_differs` is true where the registry has the same
        image with another tag or digest, `ambiguous` where other entries match as well.
        """
        with told_as(ToolError):
            server = await self._service.inventory.mcp_server(name)
            if server is None:
                raise McpServerNotFound(name)
        return server
