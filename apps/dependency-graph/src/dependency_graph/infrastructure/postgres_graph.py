from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.infrastructure.alert_repository import PostgresAlerts
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.dependency_repository import PostgresDependencies
from dependency_graph.infrastructure.ingest_metrics import Tally
from dependency_graph.infrastructure.mcp_server_repository import PostgresMcpServers
from dependency_graph.infrastructure.service_repository import PostgresServices
from dependency_graph.infrastructure.span_store import PostgresOpenSpans
from dependency_graph.infrastructure.stored_answers import StoredAnswers
from dependency_graph.infrastructure.tables import generation as table


class PostgresGeneration:
    """The one row that every write of the graph locks and changes."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self) -> int:
        return (await self._connection.execute(select(table.c.value).with_for_update())).scalar_one()

    async def advance(self) -> int:
        # A number comes again where a backup is restored; a revision never does.
        change = update(table).values(value=table.c.value + 1, revision=func.gen_random_uuid())
        return (await self._connection.execute(change.returning(table.c.value))).scalar_one()


class PostgresGraph:
    """The graph inside the transaction of one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.tally = Tally()
        self.count_ingested = self.tally.add
        self.services = PostgresServices(connection)
        self.dependencies = PostgresDependencies(connection)
        self.alerts = PostgresAlerts(connection)
        self.mcp_servers = PostgresMcpServers(connection)
        self.generation = PostgresGeneration(connection)
        self.answers = StoredAnswers(connection)
        self.open_spans = PostgresOpenSpans(connection)


@asynccontextmanager
async def graph_transaction(database: Database) -> AsyncGenerator[PostgresGraph]:
    """The graph in a transaction of its own: committed at the end, undone on an error."""
    async with database.write() as connection:
        graph = PostgresGraph(connection)
        yield graph
    graph.tally.count()
