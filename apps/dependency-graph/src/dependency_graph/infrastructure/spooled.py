import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import IO, Any, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.application.ingest import NAMED_REPEATS, Edge, Node, Repeats, written
from dependency_graph.domain.dependency import Attributes, CommunicationMode, DependencyCriticality, Pair
from dependency_graph.domain.errors import GraphUnavailable
from dependency_graph.infrastructure.parts import in_bytes, in_parts
from dependency_graph.infrastructure.statements import statement

SMALL_BYTES = 800
"""Of the texts of a row; a part of 10,000 such rows has at most 8 MB."""

LARGE_BYTES_IN_A_PART = 2**20

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)

# Looked up a million times; calling the enumerations takes ten times as long.
_MODES = {str(mode): mode for mode in CommunicationMode}
_CRITICALITIES = {str(criticality): criticality for criticality in DependencyCriticality}


class PostgresSpooled:
    """What a stream told, in temporary tables of one transaction; see the port."""

    def __init__(self, connection: AsyncConnection, rows_in_a_part: int) -> None:
        self._connection = connection
        self._rows_in_a_part = rows_in_a_part

    async def load(self, nodes: IO[bytes], edges: IO[bytes]) -> None:
        """Copy the files, whose columns are those of the tables. Raises GraphUnavailable."""
        # Plans made while the tables were small would be kept while they grow.
        await self._connection.execute(statement("plan_each_time"))
        for table, file in (("told_nodes", nodes), ("told_edges", edges)):
            await self._connection.execute(statement(f"create_{table}"))
            raw = await self._connection.get_raw_connection()
            driver = cast("asyncpg.Connection", raw.driver_connection)
            try:
                await driver.copy_to_table(table, source=file, format="text")
            except _AWAY as error:
                raise GraphUnavailable from error

    async def nodes(self) -> AsyncIterator[Sequence[Node]]:
        async for rows in self._small_and_large("told_nodes"):
            yield await asyncio.to_thread(_nodes, rows)

    async def edges(self) -> AsyncIterator[Sequence[Edge]]:
        async for rows in self._small_and_large("told_edges"):
            yield await asyncio.to_thread(_edges, rows)

    async def pairs(self) -> AsyncIterator[Sequence[Pair]]:
        async for rows in in_parts(self._connection, "told_pairs", self._rows_in_a_part):
            yield [(source, target) for source, target in rows]

    async def _small_and_large(self, name: str) -> AsyncIterator[Sequence[Sequence[Any]]]:
        """A part holds many small rows, or large ones of at most 1 MB, or one that is larger."""
        size = {"small": SMALL_BYTES}
        async for rows in in_parts(self._connection, name, self._rows_in_a_part, **size):
            yield rows
        if not await self._connection.scalar(statement(f"{name}_are_large"), size):
            return
        # A cursor fetches rows ahead by their number, whatever their size, so it passes over places only.
        async for sized in in_parts(self._connection, f"large_{name}", self._rows_in_a_part, **size):
            for places in in_bytes(sized, LARGE_BYTES_IN_A_PART):
                found = await self._connection.execute(statement(f"{name}_at"), {"places": places})
                yield found.all()

    async def repeated_nodes(self) -> Repeats:
        number, rows = await self._repeats("repeated_nodes")
        return Repeats(number, [repr(service_id) for (service_id,) in rows])

    async def repeated_edges(self) -> Repeats:
        number, rows = await self._repeats("repeated_edges")
        return Repeats(number, [written((source, target)) for source, target in rows])

    async def _repeats(self, name: str) -> tuple[int, Sequence[Sequence[str]]]:
        rows = (await self._connection.execute(statement(name), {"most": NAMED_REPEATS})).all()
        return (rows[0][0] if rows else 0), [row[1:] for row in rows]


def _nodes(rows: Sequence[Sequence[Any]]) -> list[Node]:
    return [Node(service_id, _loads(metadata)) for service_id, metadata in rows]


def _edges(rows: Sequence[Sequence[Any]]) -> list[Edge]:
    return [_edge(row) for row in rows]


def _edge(row: Sequence[Any]) -> Edge:
    source, target, mode, criticality, protocol, timeout_ms, retry_config = row
    how = _MODES[mode], _CRITICALITIES[criticality]
    return Edge((source, target), Attributes(*how, protocol, timeout_ms, _loads(retry_config)))


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)
