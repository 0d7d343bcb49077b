from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api_access.api_key import ApiKey
from api_access.engines import create_engine
from api_access.errors import NotMigrated, StoreUnavailable, UnknownKey
from api_access.key_store import KeyStore
from api_access.keys import parse, secret_matches
from api_access.rate_limits import RateLimit

LIMITS = {"query": RateLimit(600, 60)}
HOSTILE = (
    """CREATE FUNCTION public.hostile(text, varchar) RETURNS bool LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'was run'; END $$""",
    "CREATE OPERATOR public.= (leftarg = text, rightarg = varchar, function = public.hostile)",
)


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def found(store: KeyStore, key_id: str) -> ApiKey:
    key = await store.find(key_id)
    assert key is not None
    return key


async def test_a_created_key_is_found_with_all_that_was_said_of_it(store: KeyStore) -> None:
    ends = tomorrow()
    token, key = await store.create("backstage", ["write", "read"], LIMITS, ends)
    assert await found(store, key.key_id) == key
    assert (key.name, key.scopes, key.limits) == ("backstage", {"read", "write"}, LIMITS)
    assert (key.expires_at, key.ends_at, key.last_used_at, key.revoked_at) == (ends, ends, None, None)
    assert secret_matches(parse(token)[1], key.secret_hash)


@pytest.mark.parametrize(("path", "is_run"), [("pg_catalog, pg_temp", False), ("public", True)])
async def test_what_others_put_into_a_schema_of_the_usual_path_is_not_run(
    database_url: str, path: str, is_run: bool
) -> None:
    engine = create_engine(database_url, connect_args={"server_settings": {"search_path": path}})
    usual = create_engine(database_url)
    _, key = await KeyStore(usual).create("backstage")
    async with usual.begin() as connection:
        for statement in HOSTILE:
            await connection.execute(text(statement))
    if is_run:
        # Else this would say nothing.
        with pytest.raises(StoreUnavailable):
            await KeyStore(engine).find(key.key_id)
    else:
        assert await KeyStore(engine).find(key.key_id) == await KeyStore(usual).find(key.key_id)
    for used in (engine, usual):
        await used.dispose()


async def test_neither_the_secret_is_stored_nor_the_hash_shown(store: KeyStore, engine: AsyncEngine) -> None:
    token, key = await store.create("canary")
    async with engine.connect() as connection:
        row = str((await connection.execute(text("SELECT k::text FROM access.api_keys k"))).scalar_one())
    assert parse(token)[1] not in row
    assert key.secret_hash in row
    assert key.secret_hash not in repr(key)


@pytest.mark.parametrize("name", ["x", "x" * 100, "team payments / β"])
async def test_names_up_to_a_hundred_printable_characters_are_taken(store: KeyStore, name: str) -> None:
    assert (await store.create(name))[1].name == name


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\0b", " a", "\x1b[31m"])
async def test_other_names_are_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="name has 1 to 100 printable characters"):
        await store.create(name)


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["root"]}, {"expires_at": datetime.now(UTC)}])
async def test_unknown_scopes_and_a_past_expiry_are_refused(store: KeyStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a key's"):
        await store.create("x", **wrong)


async def test_keys_are_listed_oldest_first(store: KeyStore) -> None:
    made = [(await store.create(name))[1] for name in ("one", "two", "three")]
    assert await store.list() == made


async def test_a_revoked_key_keeps_the_time_of_its_first_revocation(store: KeyStore) -> None:
    _, key = await store.create("x")
    await store.revoke(key.key_id)
    first = await found(store, key.key_id)
    await store.revoke(key.key_id)
    assert await found(store, key.key_id) == first
    assert first.ends_at is not None


async def test_an_unknown_key_is_neither_found_revoked_nor_rotated(store: KeyStore) -> None:
    assert await store.find("nobody") is None
    for change in (store.revoke, store.rotate):
        with pytest.raises(UnknownKey, match="no active API key 'nobody'"):
            await change("nobody")


async def test_rotation_gives_a_new_key_like_the_old_one_which_ends(store: KeyStore) -> None:
    _, old = await store.create("plugin", ["write"], LIMITS, tomorrow())
    token, new = await store.rotate(old.key_id)
    assert (new.name, new.scopes, new.limits, new.expires_at) == (
        old.name,
        old.scopes,
        old.limits,
        old.expires_at,
    )
    assert parse(token)[0] == new.key_id != old.key_id
    ended = await found(store, old.key_id)
    assert ended.revoked_at == new.created_at
    with pytest.raises(UnknownKey):
        await store.rotate(old.key_id)


async def test_with_a_grace_the_old_key_ends_later_unless_it_is_revoked(store: KeyStore) -> None:
    _, old = await store.create("plugin")
    _, new = await store.rotate(old.key_id, timedelta(hours=1))
    assert (await found(store, old.key_id)).ends_at == new.created_at + timedelta(hours=1)
    await store.revoke(old.key_id)
    ended = (await found(store, old.key_id)).ends_at
    assert ended is not None
    assert ended < new.created_at + timedelta(minutes=1)


async def test_use_is_recorded_at_most_once_a_minute(store: KeyStore, engine: AsyncEngine) -> None:
    _, key = await store.create("x")
    await store.record_use({key.key_id})
    first = (await found(store, key.key_id)).last_used_at
    await store.record_use({key.key_id})
    assert first is not None
    assert (await found(store, key.key_id)).last_used_at == first
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE access.api_keys SET last_used_at = last_used_at - interval '61 s'")
        )
    await store.record_use({key.key_id})
    again = (await found(store, key.key_id)).last_used_at
    assert again is not None
    assert again > first


async def test_a_database_that_refuses_connections_is_unavailable() -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody:canary@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        await KeyStore(engine).find("x")
    assert "canary" not in str(caught.value)


async def test_a_wrong_password_is_unavailable_too(engine: AsyncEngine) -> None:
    wrong = create_async_engine(engine.url.set(password="wrong"))
    with pytest.raises(StoreUnavailable, match="InvalidPassword"):
        await KeyStore(wrong).find("x")


async def test_a_database_without_the_table_says_to_migrate(store: KeyStore, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA access CASCADE"))
    with pytest.raises(NotMigrated, match="run `migrate`"):
        await store.list()
