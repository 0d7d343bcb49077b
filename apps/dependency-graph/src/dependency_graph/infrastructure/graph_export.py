from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.errors import TooManyExports
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.statements import statement
from dependency_graph.infrastructure.tables import generation

MOST_AT_ONCE = 2
"""In each process; every export has a connection of the pool for as long as its reader takes."""

_ROWS_AT_ONCE = 200


class PostgresExports:
    """The whole graph, from a snapshot that stays as it is while it is read; see the port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open = 0

    @asynccontextmanager
    async def open(self, *, include_stale: bool) -> AsyncGenerator["PostgresWholeGraph"]:
        if self._open >= MOST_AT_ONCE:
            raise TooManyExports
        self._open += 1
        try:
            async with self._database.snapshot() as connection:
                number = (await connection.execute(select(generation.c.value))).scalar_one()
                yield PostgresWholeGraph(connection, number, include_stale)
                # A connection whose reader hung up in the middle of a question cannot be committed.
                await connection.rollback()
        finally:
            self._open -= 1


class PostgresWholeGraph:
    """Reads from cursors on the server, some rows at a time."""

    def __init__(self, connection: AsyncConnection, generation: int, include_stale: bool) -> None:
        self._connection = connection
        self._asked = {"include_stale": include_stale}
        self.generation = generation

    async def nodes(self) -> AsyncIterator[Sequence[str]]:
        async for rows in self._rows("snapshot_nodes", {}):
            yield [row.node for row in rows]

    async def edges(self) -> AsyncIterator[Sequence[str]]:
        async for rows in self._rows("snapshot_edges", self._asked):
            yield [row.edge for row in rows]

    async def nodes_with_targets(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        async for rows in self._rows("snapshot_nodes_with_targets", self._asked):
            yield [(row.node, row.targets) for row in rows]

    async def _rows(self, name: str, asked: dict[str, Any]) -> AsyncIterator[Sequence[Row[Any]]]:
        async with self._connection.stream(
            statement(name), asked, execution_options={"max_row_buffer": _ROWS_AT_ONCE}
        ) as result:
            async for rows in result.partitions(_ROWS_AT_ONCE):
                yield rows
