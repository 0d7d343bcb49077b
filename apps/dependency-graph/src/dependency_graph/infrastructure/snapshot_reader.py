import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.application.queries import DependencyQuery, GraphAnswer, GraphVersion
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader
from dependency_graph.infrastructure.graph_snapshot import GraphSnapshot, is_plain
from dependency_graph.infrastructure.statements import statement
from dependency_graph.infrastructure.tables import generation

MOST_EDGES = 50_000
"""Of a graph that is kept in memory; one without metadata takes about 1 KB for each, in every process."""

MOST_SERVICES = 50_000
MOST_BYTES = 64 * 1024 * 1024
"""Of the JSON of all services and dependencies; text with characters beyond ASCII counts four for each."""

TOO_LARGE_SECONDS = 60
"""How long a graph that was too large is taken to be so still."""

_PAUSES = 10
"""Loading takes at most one part in so many of the time, however often the graph changes."""


class SnapshotReader(PostgresReader):
    """Answers plain queries from memory while the graph stays as it is, and all others from the tables.

    A query that finds the graph changed is answered by PostgreSQL, and has the snapshot loaded again behind
    its back. Graphs beyond one of the limits are never loaded. Call `stop` at the end.
    """

    def __init__(
        self,
        database: Database,
        most_edges: int = MOST_EDGES,
        most_services: int = MOST_SERVICES,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(database)
        self._most_rows = {"edges": most_edges, "services": most_services}
        self._most_bytes = most_bytes
        self._clock = clock
        self._snapshot: GraphSnapshot | None = None
        self._loading: asyncio.Task[None] | None = None
        self._next_load = 0.0
        self.answered = 0

    @property
    def holds_a_graph(self) -> bool:
        """Whether there is a snapshot, of this version or an earlier one."""
        return self._snapshot is not None

    def has_at_hand(self, query: DependencyQuery, version: GraphVersion) -> bool:
        """Whether the answer takes no database, so that it is quicker than a cache outside the process."""
        snapshot = self._snapshot
        return snapshot is not None and snapshot.version == version and is_plain(query)

    async def dependencies(
        self, query: DependencyQuery, known: GraphVersion | None = None
    ) -> GraphAnswer | None:
        """As the port has it; a caller that has just asked for the version says what it is."""
        if not is_plain(query):
            return await super().dependencies(query)
        current = known or await self.version()
        if self._snapshot is None or self._snapshot.version != current:
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
        if (self._loading is None or self._loading.done()) and self._clock() >= self._next_load:
            self._loading = asyncio.create_task(self.load())

    async def load(self) -> None:
        """Take a snapshot of the graph as it is now. A database that is away is left to the queries to tell."""
        started, pause = self._clock(), 0
        with suppress(GraphUnavailable, GraphBusy):
            self._snapshot = await self._read()
            pause = 0 if self._snapshot else TOO_LARGE_SECONDS
        ended = self._clock()
        self._next_load = ended + max(pause, _PAUSES * (ended - started))

    async def _read(self) -> GraphSnapshot | None:
        async with self._database.snapshot() as connection:
            if await connection.scalar(statement("more_rows_than"), self._most_rows):
                return None
            version = (await connection.execute(select(generation.c.revision, generation.c.value))).one()
            snapshot = GraphSnapshot(GraphVersion(*version))
            taken = await _add_nodes(snapshot, connection, self._most_bytes)
            if taken <= self._most_bytes and await _add_edges(snapshot, connection, self._most_bytes - taken):
                return snapshot
            # The rest is left where it is.
            await connection.rollback()
        return None


# In pieces, between which others have their turn. PostgreSQL counts, so that no piece is larger than all may be.


async def _add_nodes(snapshot: GraphSnapshot, connection: AsyncConnection, most_bytes: int) -> int:
    """The bytes that they take, of which more than `most_bytes` means that some are left out."""
    taken = 0
    async with connection.stream(statement("snapshot_nodes_within"), {"most_bytes": most_bytes}) as rows:
        async for piece in rows.partitions(1000):
            taken = piece[-1].taken
            if taken > most_bytes:
                break
            snapshot.add_nodes((row.service_id, row.quoted, row.node) for row in piece)
    return taken


async def _add_edges(snapshot: GraphSnapshot, connection: AsyncConnection, most_bytes: int) -> bool:
    """Whether they take `most_bytes` or less, and so were all added."""
    asked = {"include_stale": False, "most_bytes": most_bytes}
    async with connection.stream(statement("snapshot_edges_within"), asked) as rows:
        async for piece in rows.partitions(1000):
            if piece[-1].edge is None:
                return False
            snapshot.add_edges((row.source, row.target, row.edge) for row in piece)
    return True
