from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.http import StarletteWithLifespan
from fastmcp.server.middleware import Middleware
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations

from dependency_graph.application.analyze_impact import BlastRadius
from dependency_graph.application.find_paths import ShortestPaths
from dependency_graph.application.inventory_queries import McpServerDetails
from dependency_graph.mcp.access_guard import AccessGuard
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.mcp.ingest_tool import IngestTool
from dependency_graph.mcp.inventory_tools import InventoryTools
from dependency_graph.mcp.listing_tools import ListingTools
from dependency_graph.mcp.service_resource import ServiceResource
from dependency_graph.mcp.walking_tools import WalkingTools
from dependency_graph.schemas.dependencies import DependenciesAnswer
from dependency_graph.schemas.ingest import IngestAnswer
from dependency_graph.schemas.mcp_servers import McpServerPage
from dependency_graph.schemas.pages import AlertPage, ServicePage
from mcp_endpoint import ArgumentErrors, endpoint, output_schema

PATH = "/mcp"

_INSTRUCTIONS = """\
The dependency graph of the fleet: what every service depends on, and what breaks when it fails.
Start with find_services to get the exact service_id; then query_dependencies for its surroundings,
analyze_impact for what breaks when it fails, find_paths for why one service depends on another.
list_mcp_servers and get_mcp_server tell which MCP servers are deployed, and from what.
"""
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
# It replaces metadata, and without a timestamp each call is an observation of its own.
_WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def mcp_server(service: GraphService, middleware: Sequence[Middleware] = ()) -> FastMCP[Any]:
    """The tools and resources on `service`. Behind `middleware` whoever reaches it may call all of them."""
    server = FastMCP[Any](
        "dependency-graph",
        version=version("dependency-graph"),
        instructions=_INSTRUCTIONS,
        middleware=[*middleware, ArgumentErrors()],
        tools=_tools(service),
        on_duplicate="error",
        mask_error_details=True,
        # An id is no path: it may begin with a slash, and hold `..` between two.
        resource_security=None,
    )
    server.resource(
        "service://{service_id}", name="service", title="One service", mime_type="application/json"
    )(ServiceResource(service).read)
    return server


def mcp_app(service: GraphService, allowed_hosts: Sequence[str]) -> StarletteWithLifespan:
    """The server at PATH, stateless, for all versions of the protocol; its lifespan is to be entered.

    It belongs behind `AccessMiddleware` with `KEY_ONLY`. A `Host` that is neither loopback nor one of
    `allowed_hosts` gets 421, and a foreign `Origin` 403.
    """
    return endpoint(mcp_server(service, [AccessGuard()]), PATH, allowed_hosts)


def _tools(service: GraphService) -> list[Tool]:
    walking, listing, writing = WalkingTools(service), ListingTools(service), IngestTool(service)
    inventory = InventoryTools(service)
    told = [
        (walking.query_dependencies, "Dependencies of a service", DependenciesAnswer, _READS),
        (listing.find_services, "Find services", ServicePage, _READS),
        (walking.analyze_impact, "What breaks when a service fails", BlastRadius, _READS),
        (walking.find_paths, "Paths between two services", ShortestPaths, _READS),
        (listing.list_circular_dependencies, "Circular dependencies", AlertPage, _READS),
        (inventory.list_mcp_servers, "List MCP servers", McpServerPage, _READS),
        (inventory.get_mcp_server, "One MCP server", McpServerDetails, _READS),
        (writing.ingest_dependencies, "Store services and dependencies", IngestAnswer, _WRITES),
    ]
    return [
        Tool.from_function(tool, title=title, output_schema=output_schema(answer), annotations=hints)
        for tool, title, answer, hints in told
    ]
