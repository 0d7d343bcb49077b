from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from coldquery.actions.context import Context
from coldquery.catalogue import statement
from coldquery.connections.timeout import Timeout
from coldquery.statements.reading import Reached
from coldquery.values.outgoing import row_converter

Row = dict[str, Any]
"""A row by the names of its columns, JSON-safe."""

_PIN = """
SELECT pg_catalog.current_setting('search_path') AS before,
    pg_catalog.current_schemas(true)::pg_catalog.text[] AS path,
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', $1) AS now
"""
_UNPIN = "SELECT pg_catalog.set_config('search_path', $1, $2)"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What PostgreSQL knows of itself, read on one connection by the project's own statements."""

    connection: asyncpg.Connection
    path: Sequence[str]
    """The schemas in which a name without one is looked for, in order."""
    hint: str | None = None
    """What to tell about the session."""

    async def rows(self, name: str, *arguments: Any) -> list[Row]:
        """What the statement of that name finds; raises what asyncpg does."""
        return await self.rows_of(statement(name), *arguments)

    async def rows_of(self, sql: str, *arguments: Any) -> list[Row]:
        prepared = await self.connection.prepare(sql)
        records = await prepared.fetch(*arguments)
        attributes = prepared.get_attributes()
        convert = row_converter(attributes)
        names = [attribute.name for attribute in attributes]
        return [dict(zip(names, convert(record), strict=True)) for record in records]

    async def row(self, name: str, *arguments: Any) -> Row:
        """The one row of a statement that has exactly one."""
        (row,) = await self.rows(name, *arguments)
        return row


@asynccontextmanager
async def looking(context: Context, session_id: str | None = None) -> AsyncGenerator[Catalogue]:
    """The catalogue in a read-only transaction, or read-only within a session's. Raises as a read does."""
    timeout = Timeout.asked(None, context.limits)
    async with (
        context.connections.reading(context.caller, session_id, timeout, Reached()) as work,
        pinned(work.connection) as path,
    ):
        yield Catalogue(work.connection, path, work.hint)


@asynccontextmanager
async def pinned(connection: asyncpg.Connection) -> AsyncGenerator[Sequence[str]]:
    """Meanwhile names are looked for in pg_catalog alone, so that nobody's function can pass for PostgreSQL's own.

    Gives the schemas of the search path as it was. What fails within has to end the transaction, or its part.
    """
    local = connection.is_in_transaction()
    found = await connection.fetchrow(_PIN, local)
    assert found is not None  # noqa: S101 - a SELECT without FROM has a row
    yield found["path"]
    await connection.execute(_UNPIN, found["before"], local)


def page(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """The rows without their column `total`, and the number in it: how many there are in all."""
    total: int = rows[0]["total"] if rows else 0
    return [{name: value for name, value in row.items() if name != "total"} for row in rows], total
