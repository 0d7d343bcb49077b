"""What api keys do in PostgreSQL, they do in a file of SQLite."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

from api_access import ACCESS_MIGRATIONS, KeyStore, NotMigrated, RateLimit, UnknownKey, create_engine
from api_access.migrating import downgrade, migrate
from api_access.tables import api_keys

LIMITS = {"submit": RateLimit(60, 60)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keys.db'}"


@pytest.fixture
async def engine(url: str) -> AsyncGenerator[AsyncEngine]:
    engine = create_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(url: str, engine: AsyncEngine) -> KeyStore:
    await asyncio.to_thread(migrate, url)
    return KeyStore(engine)


async def test_a_key_is_found_and_listed_with_all_that_was_said_of_it(store: KeyStore) -> None:
    ends = datetime.now(UTC) + timedelta(days=1)
    _, key = await store.create("ann", ["read", "write"], LIMITS, ends)
    assert (key.scopes, key.limits, key.expires_at) == ({"read", "write"}, LIMITS, ends)
    assert await store.find(key.key_id) == key
    assert await store.list() == [key]
    assert await store.find("unknown") is None


async def test_a_revoked_key_keeps_the_time_of_its_first_end(store: KeyStore) -> None:
    _, key = await store.create("ann")
    await store.revoke(key.key_id)
    (ended,) = await store.list()
    await store.revoke(key.key_id)
    assert await store.list() == [ended]
    assert ended.revoked_at
    assert key.created_at <= ended.revoked_at <= datetime.now(UTC)
    with pytest.raises(UnknownKey):
        await store.revoke("unknown")


async def test_a_rotated_key_ends_when_its_grace_is_over_or_is_cut_short(store: KeyStore) -> None:
    _, old = await store.create("ann", ["write"], LIMITS)
    _, new = await store.rotate(old.key_id, timedelta(hours=1))
    rotated = await store.find(old.key_id)
    assert rotated
    assert rotated.ends_at == new.created_at + timedelta(hours=1)
    assert (new.name, new.scopes, new.limits) == ("ann", {"write"}, LIMITS)
    with pytest.raises(UnknownKey):
        await store.rotate(old.key_id)
    await store.revoke(old.key_id)
    ended = await store.find(old.key_id)
    assert ended
    assert ended.ends_at
    assert rotated.ends_at
    assert ended.ends_at < rotated.ends_at


async def test_a_use_is_noted_once_a_minute(store: KeyStore, engine: AsyncEngine) -> None:
    _, key = await store.create("ann")
    await store.record_use([key.key_id])
    (first,) = await store.list()
    await store.record_use([key.key_id])
    assert await store.list() == [first]
    assert first.last_used_at
    async with engine.begin() as connection:
        earlier = (first.last_used_at - timedelta(seconds=61)).replace(tzinfo=None)
        await connection.execute(text("UPDATE api_keys SET last_used_at = :at"), {"at": str(earlier)})
    await store.record_use([key.key_id])
    (again,) = await store.list()
    assert again.last_used_at
    assert again.last_used_at >= first.last_used_at


async def test_a_file_without_its_table_says_what_to_do(engine: AsyncEngine) -> None:
    with pytest.raises(NotMigrated, match="run `migrate` first"):
        await KeyStore(engine).list()


async def test_migrations_climb_up_and_down_and_say_whether_there_is_work(
    url: str, engine: AsyncEngine
) -> None:
    async with engine.connect() as connection:
        assert await ACCESS_MIGRATIONS.pending(connection)
    for _ in range(2):
        await asyncio.to_thread(migrate, url)
        await KeyStore(engine).create("stairway")
        async with engine.connect() as connection:
            assert not await ACCESS_MIGRATIONS.pending(connection)
        await asyncio.to_thread(downgrade, url, "base")
        async with engine.connect() as connection:
            assert await ACCESS_MIGRATIONS.pending(connection)


async def test_many_may_migrate_at_once(url: str, engine: AsyncEngine) -> None:
    await asyncio.gather(*[asyncio.to_thread(migrate, url) for _ in range(5)])
    assert await KeyStore(engine).list() == []


async def test_what_is_committed_is_safe_and_readers_wait_for_no_writer(
    store: KeyStore, engine: AsyncEngine
) -> None:
    async with engine.connect() as connection:
        found = [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]  # fmt: skip
    assert found == ["wal", 2, 1]
    async with engine.begin() as writer:
        await writer.execute(text("DELETE FROM api_keys"))
        reading = engine.execution_options(sqlite_read=True)
        async with asyncio.timeout(20), reading.begin() as reader:
            assert (await reader.execute(text("SELECT count(*) FROM api_keys"))).scalar() == 0


async def test_a_migration_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "keys.db")) as file:
        file.execute("CREATE TABLE api_keys (mine)")
    with pytest.raises(Exception, match="already exists"):
        await asyncio.to_thread(migrate, url)
    with closing(sqlite3.connect(tmp_path / "keys.db")) as file:
        assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("api_keys",)]


async def test_a_moment_without_a_zone_is_refused(store: KeyStore, engine: AsyncEngine) -> None:
    query = api_keys.select().where(api_keys.c.created_at < datetime(2026, 1, 1))  # noqa: DTZ001  # the point of it
    async with engine.connect() as connection:
        with pytest.raises(StatementError, match="a moment has a zone"):
            await connection.execute(query)


NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200)"


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_task_that_is_cancelled_leaves_no_lock(engine: AsyncEngine, seed: int) -> None:
    dice = random.Random(seed)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers (n)"))
        await connection.execute(text(f"INSERT INTO numbers {NUMBERS} SELECT n FROM numbers"))

    async def write() -> None:
        async with engine.begin() as connection:
            (await connection.execute(text("UPDATE numbers SET n = n + 1 RETURNING n"))).all()

    for _ in range(150):
        task = asyncio.create_task(write())
        for _ in range(dice.randint(0, 40)):
            await asyncio.sleep(0)
        await asyncio.sleep(dice.random() * 0.004)
        task.cancel()
        await asyncio.wait({task})
        # Who finds the lock left waits ten seconds for it, and fails.
        await write()
