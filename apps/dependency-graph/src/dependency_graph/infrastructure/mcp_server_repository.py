from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey
from dependency_graph.infrastructure.database import dumps
from dependency_graph.infrastructure.statements import statement


class PostgresMcpServers:
    """The registry and the workloads inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def entries(self) -> Sequence[RegistryEntry]:
        rows = await self._connection.execute(statement("all_registry_entries"))
        return [_entry(row) for row in rows.mappings()]

    async def save_entries(self, entries: Collection[RegistryEntry]) -> int:
        return await self._count("save_registry_entries", rows=dumps([asdict(entry) for entry in entries]))

    async def delete_entries(self, names: Collection[str]) -> int:
        return await self._count("delete_registry_entries", names=list(names))

    async def all(self) -> Sequence[McpServer]:
        rows = await self._connection.execute(statement("all_workloads"))
        return [_server(row) for row in rows.mappings()]

    async def save(self, servers: Collection[McpServer]) -> int:
        return await self._count("save_workloads", rows=dumps([_row(server) for server in servers]))

    async def delete(self, keys: Collection[WorkloadKey]) -> int:
        return await self._count("delete_workloads", keys=dumps([key._asdict() for key in keys]))

    async def _count(self, name: str, **told: Any) -> int:
        return await self._connection.scalar(statement(name), told) or 0


def _entry(row: RowMapping) -> RegistryEntry:
    return RegistryEntry(
        row["name"],
        tuple(row["images"]),
        tuple(row["urls"]),
        row["title"],
        row["description"],
        row["transport"],
        row["status"],
        row["tier"],
        row["repository_url"],
        tuple(row["tags"]),
        tuple(row["tools"]),
    )


def _server(row: RowMapping) -> McpServer:
    return McpServer(
        WorkloadKey(row["runtime"], row["namespace"], row["name"]),
        row["package"],
        row["remote"],
        row["status"],
        row["transport"],
        row["proxy_mode"],
        row["url"],
        row["group"],
        tuple(row["tools"]),
        Match(row["entry"], row["version_differs"], row["ambiguous"]),
        row["missed"],
    )


def _row(server: McpServer) -> dict[str, Any]:
    return server.key._asdict() | {
        "package": server.package,
        "remote": server.remote,
        "status": server.status,
        "transport": server.transport,
        "proxy_mode": server.proxy_mode,
        "url": server.url,
        "group": server.group,
        "tools": server.tools,
        "entry": server.match.entry,
        "version_differs": server.match.version_differs,
        "ambiguous": server.match.ambiguous,
        "missed": server.missed,
    }
