"""The stairway: every revision up, down and up again, on populated tables."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

from dependency_graph.infrastructure import tables
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.migrating import GRAPH_MIGRATIONS, migrate, what_is_missing

FOLDER = Path(tables.__file__).parents[1] / "migrations"

POPULATE = """
INSERT INTO graph.services (service_id) VALUES ('a'), ('b');
INSERT INTO graph.service_dependencies
    (source_id, target_id, discovery_source, confidence_score, first_observed_at, last_observed_at)
SELECT a.id, b.id, 'manual', 1, now(), now()
FROM graph.services AS a, graph.services AS b WHERE a.service_id = 'a' AND b.service_id = 'b';
"""
POPULATE_MCP_SERVERS = """
INSERT INTO graph.mcp_registry_servers (name, urls) VALUES ('github', '{https://example.com/mcp}');
INSERT INTO graph.mcp_workloads (runtime, name, package, remote, status, registry_server_id)
SELECT 'docker', 'github', 'https://example.com/mcp', true, 'running', id FROM graph.mcp_registry_servers;
"""
POPULATE_AT = {"0001": POPULATE, "0003": POPULATE_MCP_SERVERS}


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def test_every_step_can_be_taken_back_and_again(create_database: Callable[[], str]) -> None:
    url = create_database()
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    for before, revision in zip(["base", *revisions], revisions, strict=False):
        GRAPH_MIGRATIONS.upgrade(url, revision)
        asyncio.run(_execute(url, POPULATE_AT.get(revision, "SELECT 1")))
        GRAPH_MIGRATIONS.downgrade(url, before)
        GRAPH_MIGRATIONS.upgrade(url, revision)
    migrate(url)
    migrate(url)


async def test_a_migrated_database_misses_nothing(database: Database) -> None:
    assert await what_is_missing(database) == []


async def test_the_tables_that_the_code_knows_are_those_of_the_database(database: Database) -> None:
    query = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'graph' AND table_name = $1"
    )
    connection = await asyncpg.connect(
        database.engine.url.set(drivername="postgresql").render_as_string(False)
    )
    for table in (tables.services, tables.alerts, tables.generation, tables.stored_answers):
        known = {row["column_name"] for row in await connection.fetch(query, table.name)}
        assert {column.name for column in table.c} <= known
    await connection.close()
