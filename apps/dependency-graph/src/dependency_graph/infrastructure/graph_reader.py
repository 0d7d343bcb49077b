import asyncio
from collections.abc import Sequence
from dataclasses import fields
from time import perf_counter
from typing import Any
from uuid import UUID

from asyncpg import InterfaceError, PostgresError
from sqlalchemy import Select, select

from dependency_graph.application.queries import (
    AlertView,
    DependencyQuery,
    GraphAnswer,
    GraphVersion,
    ServiceFilter,
    ServiceView,
)
from dependency_graph.domain.errors import GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_metrics import traversal_seconds
from dependency_graph.infrastructure.statements import statement
from dependency_graph.infrastructure.tables import services

# The column's own order is that of bytes, which knows the case of ASCII letters only.
_in_any_case = services.c.service_id.collate("default")


class PostgresReader:
    """Reads straight from the tables; see the port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._next_version: asyncio.Task[GraphVersion] | None = None

    async def version(self) -> GraphVersion:
        # Calls that come while a round trip is under way share the next one, which starts after them all:
        # so each sees every earlier write, and a hundred readers cost what two do.
        if self._next_version is None:
            self._next_version = asyncio.create_task(self._read_version())
        return await asyncio.shield(self._next_version)

    async def _read_version(self) -> GraphVersion:
        async with self._turn:
            self._next_version = None
            async with self._database.read() as connection:
                # Past SQLAlchemy, as this runs for nearly every request.
                driver: Any = (await connection.get_raw_connection()).driver_connection
                try:
                    return GraphVersion(
                        *await driver.fetchrow("SELECT revision, value FROM graph.generation")
                    )
                except (PostgresError, InterfaceError, OSError) as error:
                    await connection.invalidate()
                    raise GraphUnavailable from error

    async def dependencies(self, query: DependencyQuery) -> GraphAnswer | None:
        parameters = {
            "service_id": query.service_id,
            "direction": query.direction,
            "walk_downstream": query.direction != "upstream",
            "walk_upstream": query.direction != "downstream",
            "depth": query.depth,
            "include_stale": query.include_stale,
            "include_external": query.include_external,
            "min_confidence": query.min_confidence,
            "dependency_criticality": query.dependency_criticality,
            "service_criticality": query.service_criticality,
            "most_nodes": query.limit,
        }
        async with self._database.read() as connection:
            started = perf_counter()
            row = (await connection.execute(statement("dependencies_of"), parameters)).one_or_none()
            traversal_seconds.observe(perf_counter() - started, str(query.depth))
        if row is None:
            return None
        return GraphAnswer(GraphVersion(row.revision, row.generation), row.body.encode())

    async def service(self, service_id: str) -> ServiceView | None:
        found = await self._rows(_service_views().where(services.c.service_id == service_id))
        return ServiceView(**found[0]) if found else None

    async def services(self, wanted: ServiceFilter, after: str, limit: int) -> Sequence[ServiceView]:
        query = _service_views().where(services.c.service_id > after).order_by(services.c.service_id)
        for column in ("team", "criticality", "discovered"):
            if (value := getattr(wanted, column)) is not None:
                query = query.where(services.c[column] == value)
        if wanted.text is not None:
            query = query.where(_in_any_case.icontains(wanted.text, autoescape=True))
        return [ServiceView(**row) for row in await self._rows(query.limit(limit))]

    async def alerts(self, status: str | None, after: UUID | None, limit: int) -> Sequence[AlertView]:
        parameters = {"status": status, "after": after, "most": limit}
        async with self._database.read() as connection:
            rows = await connection.execute(statement("list_alerts"), parameters)
            return [AlertView(**row) for row in rows.mappings()]

    async def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]


def _service_views() -> Select[Any]:
    return select(*[services.c[field.name] for field in fields(ServiceView)])
