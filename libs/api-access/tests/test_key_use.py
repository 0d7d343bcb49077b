import asyncio
import time

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from api_access.authenticator import Authenticator
from api_access.key_store import KeyStore
from api_access.key_use import KeyUse
from api_access.memory_buckets import MemoryBuckets


async def is_used(store: KeyStore, key_id: str) -> bool:
    key = await store.find(key_id)
    return key is not None and key.last_used_at is not None


async def test_the_use_of_a_key_is_written_in_the_background(store: KeyStore) -> None:
    token, key = await store.create("fleet")
    authenticator = Authenticator(store, MemoryBuckets())
    await authenticator.authenticate(token, "192.0.2.1")
    async with asyncio.timeout(30):
        while not await is_used(store, key.key_id):
            await asyncio.sleep(0.05)
    await authenticator.stop()


async def test_what_is_not_written_yet_is_written_when_stopping(store: KeyStore) -> None:
    _, key = await store.create("fleet")
    use = KeyUse(store)
    use.note(key.key_id)
    await use.stop()
    assert await is_used(store, key.key_id)


async def test_stopping_waits_no_longer_than_two_seconds_for_a_lock(
    store: KeyStore, engine: AsyncEngine, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    patience.setattr("api_access.key_store._TIMEOUT_SECONDS", 60)
    _, key = await store.create("fleet")
    use = KeyUse(store)
    use.note(key.key_id)
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE access.api_keys"))
        started = time.monotonic()
        await use.stop()
        # Who waited for the lock would do so for a minute.
        assert 1.5 < time.monotonic() - started < 30


async def test_a_use_that_cannot_be_written_is_logged_and_nothing_else(
    store: KeyStore, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA access CASCADE"))
    use = KeyUse(store)
    use.note("somebody")
    with capture_logs() as logs:
        await use.stop()
    assert [entry["event"] for entry in logs] == ["api_key_use_not_recorded"]
