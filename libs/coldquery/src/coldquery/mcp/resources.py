"""What can be read without a tool: each resource is what an action answers, as JSON."""

import logging
from collections.abc import Callable
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ResourceError
from pydantic_core import to_json

from coldquery.actions.context import Context
from coldquery.errors import ColdQueryError
from coldquery.mcp.failures import in_words
from coldquery.mcp.registry import Registry

TYPE = "application/json"


class Resources:
    """Resources on `registry`; `context` tells for each reading who asks."""

    def __init__(self, registry: Registry, context: Callable[[], Context]) -> None:
        self._registry = registry
        self._context = context

    async def tables(self) -> str:
        """The tables of the database, with their schemas."""
        return await self._read("pg_schema", "list")

    async def table(self, schema: str, table: str) -> str:
        """One table: columns, keys, indexes. Names are percent-encoded: postgres://schema/public/a%2Fb."""
        return await self._read("pg_schema", "describe", target="table", schema=schema, name=table)

    async def health(self) -> str:
        """How the server is doing, and what needs care."""
        return await self._read("pg_monitor", "health")

    async def activity(self) -> str:
        """What runs on the server right now."""
        return await self._read("pg_monitor", "activity")

    async def _read(self, tool: str, action: str, **given: Any) -> str:
        try:
            return to_json(await self._registry.run(tool, action, self._context(), given)).decode()
        except ColdQueryError as error:
            raise ResourceError(in_words(error), log_level=logging.DEBUG) from error


def add_resources(server: FastMCP[Any], registry: Registry, context: Callable[[], Context]) -> None:
    """Have `server` offer the resources."""
    resources = Resources(registry, context)
    for uri, name, title, read in (
        ("postgres://schema/tables", "tables", "Tables", resources.tables),
        ("postgres://schema/{schema}/{table}", "table", "One table", resources.table),
        ("postgres://monitor/health", "health", "Health of the server", resources.health),
        ("postgres://monitor/activity", "activity", "What runs now", resources.activity),
    ):
        server.resource(
            uri,
            name=name,
            title=title,
            mime_type=TYPE,
            annotations={"readOnlyHint": True, "idempotentHint": True},
        )(read)
