from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator

from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Inventory
from dependency_graph.application.inventory_queries import McpServerDetails, McpServerFilter, RegistryFilter
from dependency_graph.domain.errors import McpServerNotFound
from dependency_graph.schemas.bodies import Name
from dependency_graph.schemas.cursor import PageSize, TextCursor
from dependency_graph.schemas.mcp_servers import (
    FromRegistry,
    InGroup,
    InStatus,
    McpServerPage,
    RegistryPage,
    Remote,
    ServerName,
)

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["mcp servers"])


def _decoded(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise ValueError("a name in a path is percent-encoded UTF-8") from None


NameInPath = Annotated[
    ServerName,
    BeforeValidator(_decoded),
    Path(
        description="Name of an MCP server, in Kubernetes `<namespace>/<name>`",
        openapi_examples={"github": {"value": "github"}},
    ),
]


@router.get("/mcp-servers", summary="List MCP servers")
async def list_mcp_servers(
    inventory: Inventory,
    from_registry: FromRegistry = None,
    group: InGroup = None,
    status: InStatus = None,
    remote: Remote = None,
    limit: PageSize = 100,
    cursor: TextCursor = None,
) -> McpServerPage:
    """The MCP servers that are deployed and fulfil all conditions, in order of their names, page by page."""
    wanted = McpServerFilter(from_registry, group, status, remote)
    return McpServerPage.of(await inventory.mcp_servers(wanted, cursor or "", limit + 1), limit)


@router.get("/mcp-servers/{name:service_id}", summary="One MCP server")
async def get_mcp_server(name: NameInPath, inventory: Inventory) -> McpServerDetails:
    """An MCP server with the entry of the registry that it was made from, null where there is none."""
    server = await inventory.mcp_server(name)
    if server is None:
        raise McpServerNotFound(name)
    return server


@router.get("/mcp-registry", summary="List the registry of MCP servers")
async def list_registry(
    inventory: Inventory,
    q: Annotated[Name | None, Query(description="part of the name, in any case")] = None,
    remote: Annotated[
        bool | None, Query(description="true: only entries with a URL; false: only those without")
    ] = None,
    limit: PageSize = 100,
    cursor: TextCursor = None,
) -> RegistryPage:
    """The entries that fulfil all conditions, in order of their names, page by page.

    `workloads` are the names of the MCP servers that were made from an entry.
    """
    wanted = RegistryFilter(q, remote)
    return RegistryPage.of(await inventory.registry(wanted, cursor or "", limit + 1), limit)
