"""An agent that calls the tools in memory, past all access control."""

from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError

from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader
from dependency_graph.infrastructure.inventory_reader import PostgresInventory
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.infrastructure.topology_reader import PostgresTopology
from dependency_graph.mcp.graph_service import GraphService
from dependency_graph.mcp.server import mcp_server

Agent = Client[Any]


def serving(database: Database) -> GraphService:
    return GraphService(
        PostgresReader(database),
        PostgresTopology(database),
        PostgresInventory(database),
        lambda: graph_transaction(database),
    )


def agent_of(database: Database) -> Agent:
    return Client(mcp_server(serving(database)))


async def ask(agent: Agent, tool: str, **arguments: Any) -> dict[str, Any]:
    return (await agent.call_tool(tool, arguments)).structured_content or {}


async def refusal(agent: Agent, tool: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as raised:
        await agent.call_tool(tool, arguments)
    return str(raised.value)
