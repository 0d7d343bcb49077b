"""MCP servers and entries of the registry, made and put into a database."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction

GITHUB_URL = "https://api.githubcopilot.com/mcp"
GITHUB = RegistryEntry(
    "io.github.stacklok/github",
    urls=(GITHUB_URL,),
    title="GitHub",
    description="Repositories, issues and pull requests",
    transport="streamable-http",
    status="Active",
    tier="Official",
    repository_url="https://github.com/github/github-mcp-server",
    tags=("api", "issues"),
    tools=("create_issue", "get_me"),
)
FETCH = RegistryEntry("io.github.stacklok/fetch", images=("ghcr.io/stackloklabs/gofetch/server:1.0.1",))


def container(name: str, namespace: str = "", **told: Any) -> McpServer:
    """A container that runs; in Kubernetes where there is a `namespace`."""
    key = WorkloadKey("k8s" if namespace else "docker", namespace, name)
    return replace(McpServer(key, f"mcp/{name}:latest", remote=False, status="running"), **told)


def remote(name: str, namespace: str = "", **told: Any) -> McpServer:
    return container(name, namespace, **{"package": GITHUB_URL, "remote": True} | told)


OWN_GITHUB = remote(
    "github",
    transport="streamable-http",
    proxy_mode="streamable-http",
    url="http://127.0.0.1:21000/mcp",
    group="default",
    tools=("get_me",),
    match=Match(GITHUB.name),
)


async def store(
    database: Database, servers: Collection[McpServer], entries: Collection[RegistryEntry] = (GITHUB, FETCH)
) -> None:
    async with graph_transaction(database) as graph:
        await graph.mcp_servers.save_entries(entries)
        await graph.mcp_servers.save(servers)
