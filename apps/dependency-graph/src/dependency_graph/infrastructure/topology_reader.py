from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import asynccontextmanager
from itertools import starmap

from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.application.ports import Upstream, UpstreamService
from dependency_graph.domain.dependency import Pair
from dependency_graph.domain.service import Criticality
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.statements import statement


class PostgresTopology:
    """Who depends on whom, straight from the tables; see the port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upstream(self, service_id: str, depth: int) -> Upstream | None:
        asked = {"service_id": service_id, "depth": depth}
        async with self._database.read() as connection:
            row = (await connection.execute(statement("upstream_of"), asked)).one_or_none()
        if row is None:
            return None
        names: list[str] = row.services
        known = starmap(UpstreamService, zip(map(Criticality, row.criticalities), row.teams, strict=True))
        # Lazily, as there may be a million; who asked reads them in a thread.
        sources, targets = (map(names.__getitem__, ends) for ends in (row.sources, row.targets))
        links = zip(sources, targets, row.hard, strict=True)
        return Upstream(row.generation, dict(zip(names, known, strict=True)), links)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator["PostgresTopologySnapshot"]:
        async with self._database.snapshot() as connection:
            yield PostgresTopologySnapshot(connection)


class PostgresTopologySnapshot:
    """One question is one round trip."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, service_ids: Collection[str]) -> Collection[str]:
        asked = {"service_ids": list(service_ids)}
        return set(await self._connection.scalars(statement("known_services"), asked))

    async def downstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        return await self._pairs("next_downstream", service_ids)

    async def upstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        return await self._pairs("next_upstream", service_ids)

    async def _pairs(self, name: str, service_ids: Collection[str]) -> Iterable[Pair]:
        rows = await self._connection.execute(statement(name), {"service_ids": list(service_ids)})
        return [(row.source, row.target) for row in rows]
