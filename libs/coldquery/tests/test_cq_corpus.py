"""Escapes are refused and change nothing, with each layer alone; honest reads pass. On real PostgreSQL."""

import secrets
from collections.abc import AsyncGenerator, Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from cq_corpus import CORPUS, entries

from coldquery.errors import Refused
from coldquery.statements.parsing import parse
from coldquery.statements.reading import require_harmless, require_read

READER = f"reader_{secrets.token_hex(4)}"
SECONDS = 30
"""How long a statement may take before the test gives up on it."""

# All that an escape could change: rows, sequences, the catalogue, large objects, settings that stay.
STATE = """
select (select md5(string_agg(c::text, ',' order by id)) from customer c),
    (select md5(string_agg(p::text, ',' order by id)) from purchase p),
    (select row(last_value, is_called)::text from ticket),
    (select md5(string_agg(row(oid, relname, relacl, relnatts, relfilenode)::text, ',' order by oid))
        from pg_class where relkind <> 't'),
    (select count(*) from pg_proc), (select count(*) from pg_type), (select count(*) from pg_description),
    (select count(*) from pg_largeobject_metadata), (select count(*) from pg_roles where rolname = 'intruder'),
    (select count(*) from pg_replication_slots), (select count(*) from pg_collation),
    (select count(*) from pg_file_settings where name = 'work_mem')
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    shop_template: str, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> AsyncGenerator[str]:
    """The URL of a shop with ways to escape, and of a role that may only read it."""
    url = create_database(shop_template)
    await _run(
        url,
        (CORPUS / "escapes" / "ground.sql").read_text("utf-8"),
        f'create role {READER}; grant usage on schema public, shadow, "Odd Schema" to {READER};'
        f" grant select on all tables in schema public to {READER}",
    )
    yield url
    await _run(url, f"drop owned by {READER}; drop role {READER}")
    drop_database(url)


async def _run(url: str, *scripts: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for script in scripts:
            await connection.execute(script)
    finally:
        await connection.close()


@pytest.fixture
async def connection(ground: str) -> AsyncGenerator[asyncpg.Connection]:
    """To the ground, as its superuser, in no transaction."""
    opened = await asyncpg.connect(ground, statement_cache_size=0)
    yield opened
    await opened.close(timeout=SECONDS)


async def _state(connection: asyncpg.Connection) -> list[Any]:
    await connection.execute("reset session authorization")
    return list(await connection.fetchrow(STATE) or ())


async def _try(connection: asyncpg.Connection, entry: dict[str, Any]) -> None:
    """Run it as a read would be, and commit whatever it did."""
    try:
        prepared = await connection.prepare(entry["sql"], timeout=SECONDS)
        await prepared.fetch(*entry.get("params", []), timeout=SECONDS)
        await connection.execute("commit")
    except (asyncpg.PostgresError, asyncpg.InterfaceError):
        # What failed has to be over before the state is looked at.
        await connection.execute("rollback")


async def _set_path(connection: asyncpg.Connection, entry: dict[str, Any]) -> None:
    if "path" in entry:
        await connection.execute(f"set search_path = {entry['path']}")


@pytest.mark.parametrize("entry", entries("escapes", "classification"))
async def test_an_escape_is_refused_before_it_is_run(
    connection: asyncpg.Connection, entry: dict[str, Any]
) -> None:
    await _set_path(connection, entry)
    with pytest.raises(Refused):
        await require_harmless(connection, require_read(parse(entry["sql"])))


@pytest.mark.parametrize("entry", entries("escapes", "read_only"))
async def test_an_escape_changes_nothing_in_a_read_only_transaction_with_its_snapshot(
    connection: asyncpg.Connection, entry: dict[str, Any]
) -> None:
    before = await _state(connection)
    await _set_path(connection, entry)
    await connection.execute("begin read only")
    await connection.execute("select 1")
    await _try(connection, entry)
    assert await _state(connection) == before


@pytest.mark.parametrize("entry", entries("escapes", "role"))
async def test_an_escape_changes_nothing_for_a_role_that_may_only_read(
    connection: asyncpg.Connection, entry: dict[str, Any]
) -> None:
    before = await _state(connection)
    await _set_path(connection, entry)
    # Not SET ROLE, which the statement could undo.
    await connection.execute(f"set session authorization {READER}")
    await connection.execute("begin read write")
    await _try(connection, entry)
    assert await _state(connection) == before


async def test_the_state_tells_when_an_escape_succeeds(connection: asyncpg.Connection) -> None:
    before = await _state(connection)
    await connection.execute("begin read write")
    await _try(connection, {"sql": "select nextval('ticket')"})
    assert await _state(connection) != before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain_shop(
    shop_template: str, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> AsyncGenerator[str]:
    """The URL of a shop that nothing changes."""
    url = create_database(shop_template)
    yield url
    drop_database(url)


@pytest.mark.parametrize("entry", entries("analytics"))
async def test_an_honest_read_passes(plain_shop: str, entry: dict[str, Any]) -> None:
    connection = await asyncpg.connect(plain_shop, statement_cache_size=0)
    try:
        if connection.get_server_version().major < entry.get("since", 16):
            pytest.skip("this PostgreSQL does not know it yet")
        if entry.get("xml") and not await _has_xml(connection):
            pytest.skip("this PostgreSQL is built without XML")
        await connection.execute("begin read only")
        await require_harmless(connection, require_read(parse(entry["sql"])))
        await connection.fetch(entry["sql"], *entry.get("params", []), timeout=SECONDS)
    finally:
        await connection.close(timeout=SECONDS)


async def _has_xml(connection: asyncpg.Connection) -> bool:
    try:
        await connection.execute("select '<a/>'::xml")
    except asyncpg.FeatureNotSupportedError:
        return False
    return True
