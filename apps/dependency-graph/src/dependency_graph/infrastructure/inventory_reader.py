from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from dependency_graph.application.inventory_queries import (
    McpServerDetails,
    McpServerFilter,
    McpServerView,
    RegistryEntryView,
    RegistryFilter,
)
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.statements import statement

# The entry within comes as JSON, its times as text.
_DETAILS = TypeAdapter(McpServerDetails)


class PostgresInventory:
    """Reads straight from the tables; see the port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mcp_servers(self, wanted: McpServerFilter, after: str, limit: int) -> Sequence[McpServerView]:
        asked = asdict(wanted) | {"after": after, "most": limit}
        return [McpServerView(**row) for row in await self._rows("list_mcp_servers", asked)]

    async def mcp_server(self, name: str) -> McpServerDetails | None:
        found = await self._rows("find_mcp_server", {"name": name})
        return _DETAILS.validate_python(found[0]) if found else None

    async def registry(self, wanted: RegistryFilter, after: str, limit: int) -> Sequence[RegistryEntryView]:
        asked = asdict(wanted) | {"after": after, "most": limit}
        return [RegistryEntryView(**row) for row in await self._rows("list_registry_entries", asked)]

    async def _rows(self, name: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(statement(name), asked)).mappings()]
