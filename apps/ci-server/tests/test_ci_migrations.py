"""The stairway: every revision up, down and up again, on populated tables; on both kinds of databases."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from ci_storage import DIALECTS, PASSED, opened, run, sqlite_url
from sqlalchemy import Connection, inspect

from ci_server.storage import tables
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import JOB_MIGRATIONS, MigrationFailed, migrate, what_is_missing

FOLDER = Path(tables.__file__).parent / "migrations"


@pytest.fixture(params=DIALECTS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path, create_database: Callable[[], str]) -> str:
    return (
        sqlite_url(tmp_path / "new folder" / "jobs?.db") if request.param == "sqlite" else create_database()
    )


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    migrate(sqlite_url(file))
    assert file.stat().st_mode & 0o777 == 0o600


async def _populate(url: str) -> None:
    async with opened(url) as database:
        store = JobStore(database)
        job = await run(store, PASSED, webhook="http://127.0.0.1/")
        await store.retry(job.job_id, "ann")


def test_every_step_can_be_taken_back_and_again(empty_url: str) -> None:
    migrate(empty_url)
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    asyncio.run(_populate(empty_url))
    for revision in ["base", *revisions][::-1]:
        JOB_MIGRATIONS.downgrade(empty_url, revision)
    for before, revision in zip(["base", *revisions], revisions, strict=False):
        JOB_MIGRATIONS.upgrade(empty_url, revision)
        JOB_MIGRATIONS.downgrade(empty_url, before)
        JOB_MIGRATIONS.upgrade(empty_url, revision)
    asyncio.run(_populate(empty_url))
    migrate(empty_url)


def test_many_may_migrate_at_once(empty_url: str) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        list(processes.map(migrate, [empty_url] * 3))
    asyncio.run(_populate(empty_url))


def test_the_tables_that_the_code_knows_are_those_of_the_database(empty_url: str) -> None:
    migrate(empty_url)

    def columns(connection: Connection) -> dict[str, dict[str, bool]]:
        schema = "ci" if connection.dialect.name == "postgresql" else None
        return {
            table: {
                column["name"]: column["nullable"]
                for column in inspect(connection).get_columns(table, schema)
            }
            for table in ("jobs", "attempts", "webhook_deliveries")
        }

    async def found() -> dict[str, dict[str, bool]]:
        async with opened(empty_url) as database, database.read() as connection:
            return await connection.run_sync(columns)

    known = (tables.jobs, tables.attempts, tables.webhook_deliveries)
    assert asyncio.run(found()) == {
        table.name: {column.name: bool(column.nullable) for column in table.c} for table in known
    }


async def test_what_is_not_migrated_is_said(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        await asyncio.to_thread(migrate, empty_url)
        await asyncio.to_thread(JOB_MIGRATIONS.downgrade, empty_url, "base")
    async with opened(empty_url) as database:
        missing = await what_is_missing(database)
        assert missing[0] == "The schema 'ci' is not up to date: run `ci-server migrate`."
        await asyncio.to_thread(migrate, empty_url)
        assert await what_is_missing(database) == []


async def test_a_database_that_is_away_is_said() -> None:
    async with opened("postgresql://nobody:secret@127.0.0.1:1/none") as database:
        (missing,) = await what_is_missing(database)
    assert "CI_DATABASE_URL" in missing
    assert "secret" not in missing


def test_what_cannot_be_migrated_says_why(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(MigrationFailed, match=r"see CI_DATABASE_URL or CI_DB_PATH\. file is not a database"):
        migrate(sqlite_url(file))
    (tmp_path / "file").touch()
    with pytest.raises(MigrationFailed, match="CI_DB_PATH"):
        migrate(sqlite_url(tmp_path / "file" / "jobs.db"))
    with pytest.raises(MigrationFailed, match="CI_DATABASE_URL"):
        migrate("postgresql://nobody@127.0.0.1:1/none")
