import asyncio
from contextlib import suppress
from time import monotonic

from sqlalchemy import select

from dependency_graph.application.queries import DependencyQuery, GraphAnswer, GraphVersion
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader
from dependency_graph.infrastructure.graph_snapshot import GraphSnapshot, is_plain
from dependency_graph.infrastructure.statements import statement
from dependency_graph.infrastructure.tables import generation

MOST_EDGES = 50_000
"""Of a graph that is kept in memory; it takes about 1 KB for each, in every process."""

_PAUSES = 10
"""Loading takes at most one part in so many of the time, however often the graph changes."""


class SnapshotReader(PostgresReader):
    """Answers plain queries from memory while the graph stays as it is, and all others from the tables.

    A query that finds the graph changed is answered by PostgreSQL, and has the snapshot loaded again behind
    its back. Graphs of more than `most_edges` are never loaded. Call `stop` at the end.
    """

    def __init__(self, database: Database, most_edges: int = MOST_EDGES) -> None:
        super().__init__(database)
        self._most_edges = most_edges
        self._snapshot: GraphSnapshot | None = None
        self._loading: asyncio.Task[None] | None = None
        self._next_load = 0.0
        self.answered = 0

    @property
    def holds_a_graph(self) -> bool:
        """Whether there is a snapshot, of this generation or an earlier one."""
        return self._snapshot is not None

    def has_at_hand(self, query: DependencyQuery, version: GraphVersion) -> bool:
        """Whether the answer takes no database, so that it is quicker than a cache outside the process."""
        snapshot = self._snapshot
        return snapshot is not None and snapshot.generation == version.generation and is_plain(query)

    async def dependencies(self, query: DependencyQuery) -> GraphAnswer | None:
        if not is_plain(query):
            return await super().dependencies(query)
        current = await self.generation()
        if self._snapshot is None or self._snapshot.generation != current:
            self._load_soon()
            return await super().dependencies(query)
        self.answered += 1
        body = self._snapshot.answer(query)
        return None if body is None else GraphAnswer(current, body.encode())

    async def stop(self) -> None:
        """Leave off loading."""
        if self._loading:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    def _load_soon(self) -> None:
        if (self._loading is None or self._loading.done()) and monotonic() >= self._next_load:
            self._loading = asyncio.create_task(self.load())

    async def load(self) -> None:
        """Take a snapshot of the graph as it is now. A database that is away is left to the queries to tell."""
        started = monotonic()
        with suppress(GraphUnavailable, GraphBusy):
            self._snapshot = await self._read()
        self._next_load = monotonic() + _PAUSES * (monotonic() - started)

    async def _read(self) -> GraphSnapshot | None:
        async with self._database.snapshot() as connection:
            if await connection.scalar(statement("more_edges_than"), {"most": self._most_edges}):
                return None
            snapshot = GraphSnapshot(await connection.scalar(select(generation.c.value)) or 0)
            # In pieces, between which others have their turn.
            async for nodes in (await connection.stream(statement("snapshot_nodes"))).partitions(1000):
                snapshot.add_nodes((row.service_id, row.quoted, row.node) for row in nodes)
            edges = await connection.stream(statement("snapshot_edges"), {"include_stale": False})
            async for chunk in edges.partitions(1000):
                snapshot.add_edges((row.source, row.target, row.edge) for row in chunk)
        return snapshot
