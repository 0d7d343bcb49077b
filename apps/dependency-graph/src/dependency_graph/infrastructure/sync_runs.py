from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.application.ports import Graph
from dependency_graph.domain.sync_run import INTERRUPTED, RunStatus, SyncRun
from dependency_graph.infrastructure.database import Database, dumps
from dependency_graph.infrastructure.postgres_graph import PostgresGraph
from dependency_graph.infrastructure.statements import statement

KEPT_RUNS = 50
"""Of each source; the backoff after failures is counted from them."""


class PostgresTurn:
    """The turn of a source, held by the connection that also writes: lost together; see the port."""

    def __init__(
        self, database: Database, connection: AsyncConnection, source: str, held: AsyncExitStack
    ) -> None:
        self._database = database
        self._connection = connection
        self._source = source
        self._held = held

    async def begin(self) -> SyncRun:
        told = {"id": uuid4(), "source": self._source, "interrupted": INTERRUPTED, "kept": KEPT_RUNS - 1}
        return await self._store("begin_run", told)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Graph]:
        async with self._database.transaction(self._connection) as connection:
            yield PostgresGraph(connection)

    async def finish(self, run: SyncRun) -> SyncRun:
        changes = dumps(run.changes)
        told = {"id": run.run_id, "status": run.status, "changes": changes, "error": run.error}
        return await self._store("finish_run", told)

    async def end(self) -> None:
        await self._held.aclose()

    async def _store(self, name: str, told: Mapping[str, Any]) -> SyncRun:
        async with self._database.transaction(self._connection) as connection:
            return _run((await connection.execute(statement(name), told)).one())


class PostgresSyncRuns:
    """Runs in the table `graph.sync_runs`; see the port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_turn(self, source: str) -> PostgresTurn | None:
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self._database.alone())
            taken = await connection.scalar(statement("take_turn"), {"source": source})
            await connection.commit()
            if not taken:
                return None
            return PostgresTurn(self._database, connection, source, stack.pop_all())

    async def histories(self, sources: Collection[str]) -> Mapping[str, Sequence[SyncRun]]:
        histories = await self._read(sources)
        running = {run.source: run.run_id for runs in histories.values() for run in runs[:1] if _runs(run)}
        if not running or not (orphans := running.keys() - await self._taken(running)):
            return histories
        # Read again: what has ended since then told so before it gave up its turn.
        return {
            source: [run.failed(INTERRUPTED), *rest]
            if source in orphans and _runs(run) and run.run_id == running[source]
            else [run, *rest]
            for source, (run, *rest) in (await self._read(sources)).items()
        }

    async def _read(self, sources: Collection[str]) -> dict[str, list[SyncRun]]:
        histories: dict[str, list[SyncRun]] = {}
        async with self._database.read() as connection:
            for row in await connection.execute(statement("last_runs"), {"sources": list(sources)}):
                histories.setdefault(row.source, []).append(_run(row))
        return histories

    async def _taken(self, sources: Collection[str]) -> set[str]:
        async with self._database.read() as connection:
            return set(await connection.scalars(statement("turns_taken"), {"sources": list(sources)}))


def _runs(run: SyncRun) -> bool:
    return run.status is RunStatus.RUNNING


def _run(row: Row[Any]) -> SyncRun:
    return SyncRun(
        row.run_id,
        row.source,
        RunStatus(row.status),
        row.started_at,
        row.finished_at,
        row.changes,
        row.error,
    )
