import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest
from ci_storage import DIALECTS, claim, migrated_database, opened, sqlite_url, submit
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import Status
from ci_server.storage import database as database_module
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.tables import attempts, jobs

SOON = 20.0
"""Seconds in which what has to happen happens on any machine."""


@pytest.fixture(params=DIALECTS)
def url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
) -> Generator[str]:
    with migrated_database(request.param, tmp_path, create_database, drop_database) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with opened(url) as database:
        yield database


@pytest.fixture
async def changes(database: Database) -> AsyncGenerator[Changes]:
    changes = Changes(database)
    changes.start()
    # The first is that it has begun to look.
    assert await changes.wait(0, SOON) == 1
    yield changes
    await changes.stop()


async def _delete_and_break_off(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(jobs.delete())
        raise ZeroDivisionError


async def test_a_transaction_that_breaks_off_leaves_nothing(database: Database) -> None:
    store = JobStore(database)
    job = await submit(store)
    with pytest.raises(ZeroDivisionError):
        await _delete_and_break_off(database)
    assert await store.find(job.job_id) == job


async def test_a_job_has_one_attempt_that_has_not_ended_whatever_the_code_does(database: Database) -> None:
    job = await submit(JobStore(database))
    second = {"number": 2, "status": Status.RUNNING, "queued_time": job.submitted_time, "started": False}
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(attempts).values(job_id=job.job_id, **second))
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(attempts.update().values(status="lost"))


async def test_attempts_go_with_their_job(database: Database) -> None:
    await submit(JobStore(database))
    async with database.write() as connection:
        await connection.execute(jobs.delete())
    async with database.read() as connection:
        assert (await connection.execute(select(attempts))).all() == []


async def test_what_is_committed_in_sqlite_outlasts_a_power_cut(tmp_path: Path) -> None:
    async with opened(sqlite_url(tmp_path / "jobs.db")) as database, database.write() as connection:
        found = [await connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    store = JobStore(database)
    job = await submit(store)
    async with database.write() as connection:
        await connection.execute(jobs.update().values(user_name="bob"))
        assert await store.find(job.job_id, "ann") == job


async def test_who_writes_waits_for_another_process(url: str) -> None:
    async with opened(url) as first, opened(url) as second:
        await submit(JobStore(first))
        async with first.write() as connection:
            await connection.execute(jobs.update().values(user_name="bob"))
            waiting = asyncio.create_task(claim(JobStore(second)))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            if first.is_sqlite:
                assert not done
        job = await waiting
    assert job
    assert job.attempt.status is Status.RUNNING


async def test_a_file_that_stays_locked_is_unavailable(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "jobs.db")
    async with opened(url) as database:
        async with database.write() as connection:
            await connection.execute(text("PRAGMA busy_timeout = 50"))
        with closing(sqlite3.connect(database.file)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable, match=r"CI_DB_PATH\): database is locked"):
                async with database.write():
                    pass


async def test_who_does_not_get_a_turn_to_write_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "WAIT_SECONDS", 0.05)
    async with opened(sqlite_url(tmp_path / "jobs.db")) as database, database.write():
        with pytest.raises(StorageUnavailable, match="no turn to write"):
            async with database.write():
                pass


@pytest.mark.parametrize(
    "url", ["postgresql://ann:secret@127.0.0.1:1/none", "sqlite:////no/such/folder/jobs.db"]
)
async def test_a_database_that_cannot_be_reached_is_unavailable(url: str) -> None:
    async with opened(url) as database:
        store = JobStore(database)
        for step in (store.running(), submit(store)):
            with pytest.raises(StorageUnavailable, match="CI_DATABASE_URL or CI_DB_PATH") as caught:
                await step
            assert "secret" not in str(caught.value)


async def test_a_database_that_is_not_migrated_is_unavailable(
    tmp_path: Path, create_database: Callable[[], str]
) -> None:
    for url in (sqlite_url(tmp_path / "jobs.db"), create_database()):
        async with opened(url) as database:
            with pytest.raises(StorageUnavailable):
                await submit(JobStore(database))


async def test_a_broken_file_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"no database" * 1000)
    async with opened(sqlite_url(file)) as database:
        with pytest.raises(StorageUnavailable, match="file is not a database"):
            await JobStore(database).running()


async def test_postgresql_that_refuses_us_is_unavailable(create_database: Callable[[], str]) -> None:
    async with opened(f"{create_database()}_gone") as database:
        with pytest.raises(StorageUnavailable, match="does not exist"):
            await JobStore(database).running()


async def test_a_connection_that_postgresql_ends_is_unavailable_once(
    create_database: Callable[..., str], drop_database: Callable[[str], None], tmp_path: Path
) -> None:
    with migrated_database("postgresql", tmp_path, create_database, drop_database) as url:
        async with opened(url) as database:
            store = JobStore(database)
            with pytest.raises(StorageUnavailable):
                async with database.write() as connection:
                    await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            assert await store.running() == []


@pytest.fixture
def postgresql(
    create_database: Callable[..., str], drop_database: Callable[[str], None], tmp_path: Path
) -> Generator[str]:
    with migrated_database("postgresql", tmp_path, create_database, drop_database) as url:
        yield url


async def test_who_sleeps_in_a_transaction_loses_it_and_is_told(postgresql: str) -> None:
    async with opened(postgresql) as database:
        assert await _asked(database, "SHOW idle_in_transaction_session_timeout") == "30s"
        with pytest.raises(StorageUnavailable):  # noqa: PT012  # by what is done after the sleep
            async with database.write() as connection:
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 10"))
                mine = await connection.scalar(text("SELECT pg_backend_pid()"))
                async with asyncio.timeout(SOON):
                    while await _asked(database, f"SELECT true FROM pg_stat_activity WHERE pid = {mine}"):
                        await asyncio.sleep(0.01)
                await connection.execute(text("SELECT 1"))
        assert await JobStore(database).running() == []


async def test_a_database_that_falls_silent_is_unavailable(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "ANSWER_SECONDS", 0.2)
    async with opened(postgresql) as database:
        with pytest.raises(StorageUnavailable, match="no answer"):
            async with asyncio.timeout(60):
                await _asked(database, "SELECT pg_sleep(1000)")
        monkeypatch.undo()


async def _asked(database: Database, question: str) -> object:
    async with database.read() as connection:
        return await connection.scalar(text(question))


def test_the_path_of_a_file_may_have_any_characters(tmp_path: Path) -> None:
    file = tmp_path / "a b?c=d%20#e.db"
    assert Database.of(None, file).file == file
    assert Database.of("postgresql://127.0.0.1/x", file).is_sqlite is False


async def test_who_waits_is_woken_by_what_another_process_commits(url: str, changes: Changes) -> None:
    seen = changes.version()
    waiting = [asyncio.create_task(changes.wait(seen, SOON)) for _ in range(3)]
    async with opened(url) as other:
        await submit(JobStore(other))
        assert all(version > seen for version in await asyncio.gather(*waiting))


async def test_who_waits_is_woken_by_what_its_own_process_commits(
    database: Database, changes: Changes
) -> None:
    store = JobStore(database)
    for step in (submit(store), claim(store)):
        seen = changes.version()
        await step
        assert await changes.wait(seen, SOON) > seen


async def test_what_is_rolled_back_or_read_wakes_nobody(database: Database, changes: Changes) -> None:
    seen = changes.version()
    with pytest.raises(ZeroDivisionError):
        await _delete_and_break_off(database)
    await JobStore(database).running()
    assert await changes.wait(seen, 0.2) == seen


async def test_who_has_not_seen_the_last_change_does_not_wait(changes: Changes) -> None:
    async with asyncio.timeout(SOON):
        assert await changes.wait(0, 10 * SOON) == 1


async def test_changes_are_noticed_again_after_postgresql_ended_the_connection(
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
    tmp_path: Path,
) -> None:
    with migrated_database("postgresql", tmp_path, create_database, drop_database) as url:
        async with opened(url) as database:
            changes = Changes(database)
            changes.start()
            await changes.wait(0, SOON)
            ours = text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            async with database.read() as connection:
                await connection.execute(ours)
            # That it is back is a change, as something may have been missed.
            assert await changes.wait(1, SOON) == 2
            await submit(JobStore(database))
            assert await changes.wait(2, SOON) == 3
            await changes.stop()


async def test_changes_of_a_file_that_is_not_there_yet_are_followed_once_it_is(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    async with opened(sqlite_url(file)) as database:
        changes = Changes(database)
        changes.start()
        assert await changes.wait(0, 0.2) == 0
        assert not file.exists()
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (x)"))
        assert await changes.wait(0, SOON) >= 1
        await changes.stop()
