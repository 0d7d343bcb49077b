import asyncio
import contextlib

import asyncpg
import pytest
from cq_connections import (
    NOTHING,
    READER,
    SOON,
    WRITER,
    begin,
    connections_to,
    eventually,
    kill_backends,
    read,
    states,
    value,
    write,
)

from coldquery.connections.timeout import Timeout
from coldquery.errors import Busy, DatabaseAway, NotAllowed, Refused, StatementFailed, TimedOut
from coldquery.limits import Limits

SMALL = Limits(max_sessions=1, reserved=1, wait_seconds=0.2)


async def test_a_read_cannot_write_even_if_nothing_looked_at_it(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(StatementFailed, match="read-only transaction") as failure:
            await value(connections, "INSERT INTO customer (id, name) VALUES (1000, 'x')")
    assert failure.value.sqlstate == "25006"
    assert "autocommit" in str(failure.value.hint)
    assert await admin.fetchval("SELECT count(*) FROM customer") == 100


@pytest.mark.parametrize("in_session", [False, True])
@pytest.mark.parametrize(
    "sql",
    [
        "SET TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('transaction_read_only', 'off', false)",
    ],
)
async def test_a_read_cannot_make_itself_a_write(shop: str, sql: str, in_session: bool) -> None:
    async with connections_to(shop) as connections:
        session = await begin(connections) if in_session else None
        with pytest.raises(StatementFailed, match="read-write mode"):
            await value(connections, sql, session)


async def test_a_write_is_committed_at_the_end(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        assert await write(connections, "UPDATE customer SET name = 'new' WHERE id = 1") == "UPDATE 1"
    assert await admin.fetchval("SELECT name FROM customer WHERE id = 1") == "new"


async def test_a_failing_write_leaves_nothing(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(StatementFailed, match="division by zero"):
            await write(connections, "DELETE FROM purchase; SELECT 1/0")
        assert await states(admin) == ["idle"]
    assert await admin.fetchval("SELECT count(*) FROM purchase") == 1000


async def test_a_commit_that_postgresql_turned_into_a_rollback_is_an_error(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:

        async def overlooking_a_failure() -> None:
            async with connections.writing(WRITER, None, autocommit=True, timeout=SOON) as work:
                with contextlib.suppress(asyncpg.DivisionByZeroError):
                    await work.connection.execute("DELETE FROM purchase; SELECT 1/0")

        with pytest.raises(StatementFailed, match="Nothing was committed") as failure:
            await overlooking_a_failure()
    assert failure.value.sqlstate == "25P02"
    assert await admin.fetchval("SELECT count(*) FROM purchase") == 1000


async def test_a_check_that_waits_for_the_commit_fails_the_write(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("CREATE TABLE once (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    async with connections_to(shop) as connections:
        with pytest.raises(StatementFailed, match="duplicate key") as failure:
            await write(connections, "INSERT INTO once VALUES (1), (1)")
    assert failure.value.sqlstate == "23505"
    assert failure.value.detail is not None
    assert await admin.fetchval("SELECT count(*) FROM once") == 0


async def test_a_bare_write_runs_outside_a_transaction_block(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, bare=True) as work:
            await work.connection.execute("VACUUM customer")
            await work.connection.execute("CREATE INDEX CONCURRENTLY named ON customer (name)")
        # What it had set, so that it may write, is gone.
        assert await value(connections, "SHOW default_transaction_read_only") == "on"
    assert await admin.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'named'::regclass")


async def test_a_write_needs_to_be_asked_for(shop: str) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(Refused, match="autocommit: true"):
            async with connections.writing(WRITER, None, autocommit=False, timeout=SOON):
                pass


async def test_a_write_is_not_asked_for_in_two_ways(shop: str) -> None:
    async with connections_to(shop) as connections:
        session = await begin(connections)
        with pytest.raises(Refused, match="not both"):
            async with connections.writing(WRITER, session, autocommit=True, timeout=SOON):
                pass


async def test_a_bare_write_is_refused_in_a_session(shop: str) -> None:
    async with connections_to(shop) as connections:
        session = await begin(connections)
        with pytest.raises(Refused, match="session is one"):
            async with connections.writing(WRITER, session, autocommit=False, timeout=SOON, bare=True):
                pass


async def test_a_key_that_may_not_write_does_not(shop: str) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(NotAllowed):
            async with connections.writing(READER, None, autocommit=True, timeout=SOON):
                pass
        with pytest.raises(NotAllowed, match="key"):
            await connections.sessions.begin(READER, read_only=False)
        await connections.sessions.begin(READER, read_only=True)


LEFT_BEHIND = """
SET search_path = nowhere;
CREATE TEMP TABLE mine (a int);
PREPARE mine AS SELECT 1;
SELECT pg_advisory_lock(7);
LISTEN mine;
DECLARE mine CURSOR WITH HOLD FOR SELECT 1;
"""


async def test_nothing_that_was_set_on_a_connection_is_left(shop: str) -> None:
    async with connections_to(shop, SMALL) as connections:
        async with connections.writing(WRITER, None, autocommit=True, timeout=SOON) as work:
            pid = work.connection.get_server_pid()
            await work.connection.execute(LEFT_BEHIND)
        async with connections.reading(WRITER, None, SOON, NOTHING) as work:
            assert work.connection.get_server_pid() == pid
            left = await work.connection.fetch("""
                SELECT 'path' FROM current_setting('search_path') path WHERE path = 'nowhere'
                UNION ALL SELECT 'table' FROM pg_class WHERE relname = 'mine'
                UNION ALL SELECT 'statement' FROM pg_prepared_statements WHERE name = 'mine'
                UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
                UNION ALL SELECT 'channel' FROM pg_listening_channels()
                UNION ALL SELECT 'cursor' FROM pg_cursors WHERE name = 'mine'""")
    assert left == []


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("application_name", "coldquery"),
        ("default_transaction_read_only", "on"),
        ("standard_conforming_strings", "on"),
        ("transaction_read_only", "on"),
        ("statement_timeout", "20s"),
        ("idle_in_transaction_session_timeout", "31min"),
    ],
)
async def test_a_connection_is_set_up_again_for_each_call(shop: str, setting: str, expected: str) -> None:
    async with connections_to(shop) as connections:
        assert await value(connections, f"SHOW {setting}") == expected
        assert await value(connections, f"SHOW {setting}") == expected


async def test_postgresql_ends_what_takes_too_long(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(TimedOut, match="statement timeout") as failure:
            await read(connections, "SELECT pg_sleep(60)", limit=Timeout(50))
        assert "timeout_ms" in str(failure.value.hint)
        assert await states(admin) == ["idle"]


async def test_what_an_administrator_cancels_is_no_timeout(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        sleeping = asyncio.ensure_future(value(connections, "SELECT pg_sleep(60)"))
        await eventually(
            admin,
            "(SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity "
            "WHERE wait_event = 'PgSleep' AND datname = current_database())",
        )
        with pytest.raises(StatementFailed, match="user request") as failure:
            await sleeping
    assert failure.value.sqlstate == "57014"


@pytest.mark.parametrize(("asked", "ms"), [(None, 30_000), (1, 1), (29_999, 29_999), (30_001, 30_000)])
def test_a_timeout_is_capped_by_that_of_the_server(asked: int | None, ms: int) -> None:
    assert Timeout.asked(asked, Limits()) == Timeout(ms)


@pytest.mark.parametrize("asked", [0, -1])
def test_a_timeout_below_one_is_refused(asked: int) -> None:
    with pytest.raises(Refused, match="1 or more"):
        Timeout.asked(asked, Limits())


async def test_a_call_that_finds_no_connection_free_says_so(shop: str) -> None:
    async with connections_to(shop, SMALL) as connections:
        await begin(connections)
        async with connections.reading(WRITER, None, SOON, NOTHING):
            with pytest.raises(Busy, match="All 2 connections"):
                await value(connections, "SELECT 1")
        assert await value(connections, "SELECT 1") == 1


async def test_a_call_waits_for_the_next_free_connection(shop: str) -> None:
    async with connections_to(shop, Limits(max_sessions=1, reserved=1, wait_seconds=30)) as connections:
        await begin(connections)
        async with connections.reading(WRITER, None, SOON, NOTHING):
            waiting = asyncio.ensure_future(value(connections, "SELECT 1"))
            await asyncio.sleep(0)
            assert not waiting.done()
        assert await waiting == 1


async def test_a_connection_that_was_lost_while_nobody_used_it_is_replaced(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:
        for _ in range(3):
            assert await value(connections, "SELECT 1") == 1
            assert await kill_backends(admin) == 1


async def test_a_connection_that_is_lost_during_a_read_is_an_error_and_replaced(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:

        async def lost() -> None:
            async with connections.reading(WRITER, None, SOON, NOTHING) as work:
                await kill_backends(admin)
                await work.connection.fetchval("SELECT 1")

        with pytest.raises(DatabaseAway, match="lost"):
            await lost()
        assert await value(connections, "SELECT 1") == 1


async def test_renewed_connections_are_new_ones(shop: str) -> None:
    async with connections_to(shop) as connections:
        first = await value(connections, "SELECT pg_backend_pid()")
        assert await value(connections, "SELECT pg_backend_pid()") == first
        await connections.renew()
        assert await value(connections, "SELECT pg_backend_pid()") != first


async def test_before_the_start_and_after_the_stop_there_is_no_database(shop: str) -> None:
    async with connections_to(shop) as connections:
        await connections.require_reachable()
        await connections.stop()
        with pytest.raises(DatabaseAway, match="stopping"):
            await connections.require_reachable()
