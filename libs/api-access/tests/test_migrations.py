import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from api_access.database_url import asyncpg_url
from api_access.key_store import KeyStore
from api_access.migrating import ACCESS_MIGRATIONS, Migrations, downgrade, migrate
from api_access.tables import metadata


@pytest.fixture
def empty_url(create_database: Callable[..., str], drop_database: Callable[[str], None]) -> Generator[str]:
    url = create_database()
    yield url
    drop_database(url)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[AsyncConnection]:
    async with create_async_engine(asyncpg_url(url), poolclass=NullPool).begin() as connection:
        yield connection


async def pending(url: str, migrations: Migrations = ACCESS_MIGRATIONS) -> bool:
    async with connected(url) as connection:
        return await migrations.pending(connection)


async def make_key(url: str) -> None:
    await KeyStore(create_async_engine(asyncpg_url(url), poolclass=NullPool)).create("stairway")


async def test_the_stairway_up_down_up_is_climbed_on_a_populated_table(empty_url: str) -> None:
    for _ in range(2):
        await asyncio.to_thread(migrate, empty_url)
        await make_key(empty_url)
        await asyncio.to_thread(downgrade, empty_url, "base")
        assert await pending(empty_url)
    await asyncio.to_thread(migrate, empty_url)
    assert not await pending(empty_url)


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await make_key(database_url)
    await asyncio.to_thread(migrate, database_url)
    async with connected(database_url) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM access.api_keys")) == 1


async def test_the_migrated_table_is_the_one_that_the_code_describes(database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"include_schemas": True, "include_name": in_access, "version_table_schema": "access"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    def in_access(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "schema" or name == "access"

    async with connected(database_url) as connection:
        assert await connection.run_sync(differences) == []


async def test_an_empty_database_is_pending(empty_url: str) -> None:
    assert await pending(empty_url)


async def test_a_database_ahead_of_this_code_is_not_pending(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(text("UPDATE access.alembic_version SET version_num = '9999'"))
    assert not await pending(database_url)


async def test_the_release_before_migrates_a_database_ahead_of_it_and_changes_nothing(
    database_url: str,
) -> None:
    await make_key(database_url)
    async with connected(database_url) as connection:
        await connection.execute(text("UPDATE access.alembic_version SET version_num = '9999'"))
    await asyncio.to_thread(migrate, database_url)
    async with connected(database_url) as connection:
        assert await connection.scalar(text("SELECT version_num FROM access.alembic_version")) == "9999"
        assert await connection.scalar(text("SELECT count(*) FROM access.api_keys")) == 1


async def test_replicas_that_migrate_at_once_take_turns(empty_url: str) -> None:
    program = "import sys; from api_access.migrating import migrate; migrate(sys.argv[1])"
    replicas = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url) for _ in range(2)
    ]
    async with asyncio.timeout(30):
        assert [await replica.wait() for replica in replicas] == [0, 0]
    assert not await pending(empty_url)


async def test_another_package_keeps_its_migrations_in_its_own_schema(
    database_url: str, tmp_path: Path
) -> None:
    env = Path(inspect.getfile(Migrations)).parent / "migrations" / "env.py"
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(env.read_text())
    (tmp_path / "versions" / "a.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = 'a', None\n"
        "def upgrade(): op.execute('CREATE TABLE graph.services ()')\n"
        "def downgrade(): op.execute('DROP TABLE graph.services')\n"
    )
    graph = Migrations(tmp_path, schema="graph", lock=7)
    assert await pending(database_url, graph)
    await asyncio.to_thread(graph.upgrade, database_url)
    assert not await pending(database_url, graph)
    assert not await pending(database_url)
    await asyncio.to_thread(graph.downgrade, database_url, "base")


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, tmp_path: Path) -> None:
    (tmp_path / "env.py").write_text("raise RuntimeError('half way')")
    (tmp_path / "versions").mkdir()
    with pytest.raises(RuntimeError, match="half way"):
        await asyncio.to_thread(Migrations(tmp_path, schema="graph", lock=7).upgrade, empty_url)
    async with connected(empty_url) as connection:
        assert await connection.scalar(text("SELECT to_regnamespace('graph')")) is None
