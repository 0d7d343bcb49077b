import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cq_connections import (
    NOTHING,
    SOON,
    WRITER,
    SilentNetwork,
    begin,
    connections_to,
    eventually,
    kill_backends,
    more,
    read,
    states,
    value,
    write,
)

from coldquery.connections.timeout import Timeout
from coldquery.errors import ColdQueryError, DatabaseAway, OutcomeUnknown, SessionLost, TimedOut
from coldquery.limits import Limits
from embedded_services import EmbeddedPostgres

HOURS = Timeout(4 * 3600 * 1000)
PATIENT = Limits(wait_seconds=7200, timeout_ms=HOURS.ms)
INSERT = "INSERT INTO customer (id, name) VALUES (1000, 'x')"
COUNT = "SELECT count(*) FROM customer"
SLEEPING = (
    "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())"
)


@pytest.fixture
async def network(shop: str) -> AsyncGenerator[SilentNetwork]:
    async with SilentNetwork(shop) as network:
        yield network


async def until_over(
    work: Awaitable[Any], network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> BaseException:
    """What `work` ends with; once the network is silent, hours pass as if they were hundredths of a second."""
    task = asyncio.ensure_future(work)
    for _ in range(3000):
        if task.done():
            break
        await asyncio.wait([task], timeout=0.01)
        if network.is_silent:
            skip_ahead(5 * 3600)
    error = task.exception()
    assert error is not None
    return error


async def test_a_read_whose_answer_never_comes_is_ended_from_this_side(
    network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:
        await value(connections, "SELECT 1")

        async def hanging() -> None:
            async with connections.reading(WRITER, None, HOURS, NOTHING) as work:
                network.is_silent = True
                await work.connection.fetchval("SELECT 1")

        assert isinstance(await until_over(hanging(), network, skip_ahead), TimedOut)
        network.is_silent = False
        # It was cut off: what would come over it now is no answer to this.
        assert await value(connections, "SELECT 2") == 2


async def test_a_session_whose_server_goes_silent_is_lost(
    network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:
        session = await begin(connections)

        async def hanging() -> None:
            async with connections.writing(WRITER, session, autocommit=False, timeout=HOURS) as work:
                network.is_silent = True
                await work.connection.fetchval("SELECT 1")

        assert isinstance(await until_over(hanging(), network, skip_ahead), SessionLost)
        assert connections.sessions.list(WRITER) == []


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_commit_without_an_answer_may_be_done_or_not(
    network: SilentNetwork, admin: asyncpg.Connection, skip_ahead: Callable[[float], None], in_session: bool
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:
        session = await begin(connections) if in_session else None

        async def written() -> None:
            async with connections.writing(WRITER, session, autocommit=not in_session, timeout=HOURS) as work:
                await work.connection.execute(INSERT)
                network.swallows_answers = not in_session
            network.swallows_answers = True
            if session:
                await connections.sessions.commit(WRITER, session, HOURS)

        async def cut_once_committed() -> None:
            await eventually(admin, f"({COUNT}) = 101")
            network.cut()

        with pytest.raises(OutcomeUnknown, match="done or not") as failure:
            await asyncio.gather(written(), cut_once_committed())
        assert "Read what" in str(failure.value.hint)
        assert connections.sessions.list(WRITER) == []


async def test_a_commit_that_nobody_answers_ends_in_time(
    network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:

        async def written() -> None:
            async with connections.writing(WRITER, None, autocommit=True, timeout=HOURS) as work:
                await work.connection.execute(INSERT)
                network.is_silent = True

        assert isinstance(await until_over(written(), network, skip_ahead), OutcomeUnknown)


async def test_a_bare_statement_without_an_answer_may_be_done_or_not(
    network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:

        async def written() -> None:
            async with connections.writing(WRITER, None, autocommit=True, timeout=HOURS, bare=True) as work:
                network.is_silent = True
                await work.connection.execute(INSERT)

        assert isinstance(await until_over(written(), network, skip_ahead), OutcomeUnknown)


async def test_a_bare_statement_that_postgresql_ended_is_known_to_be_undone(shop: str) -> None:
    async with connections_to(shop) as connections:
        with pytest.raises(TimedOut):
            async with connections.writing(
                WRITER, None, autocommit=True, timeout=Timeout(50), bare=True
            ) as work:
                await work.connection.execute("SELECT pg_sleep(60)")


async def test_a_bare_statement_whose_backend_is_killed_may_be_done_or_not(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:

        async def sleeping() -> None:
            async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, bare=True) as work:
                await work.connection.execute("SELECT pg_sleep(60)")

        task = asyncio.ensure_future(sleeping())
        await eventually(admin, SLEEPING)
        await kill_backends(admin)
        with pytest.raises(OutcomeUnknown):
            await task


async def test_a_write_that_is_lost_before_its_commit_is_known_to_be_undone(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:

        async def lost() -> None:
            async with connections.writing(WRITER, None, autocommit=True, timeout=SOON) as work:
                await work.connection.execute(INSERT)
                await kill_backends(admin)
                await work.connection.execute("SELECT 1")

        with pytest.raises(DatabaseAway, match="lost") as failure:
            await lost()
    assert "Nothing of it was kept" in str(failure.value.hint)
    assert await admin.fetchval(COUNT) == 100


async def test_a_cancelled_call_ends_its_statement_at_the_server(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:
        sleeping = asyncio.ensure_future(value(connections, "SELECT pg_sleep(60)"))
        await eventually(admin, SLEEPING)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await states(admin) == ["idle"]


async def test_a_cancelled_write_fails_the_transaction_of_its_session(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:
        session = await begin(connections)
        sleeping = asyncio.ensure_future(write(connections, "SELECT pg_sleep(60)", session))
        await eventually(admin, SLEEPING)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert connections.sessions.list(WRITER)[0].failed
        assert await states(admin) == ["idle in transaction (aborted)"]


async def test_a_cancelled_read_leaves_the_transaction_of_its_session(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with connections_to(shop) as connections:
        session = await begin(connections)
        await write(connections, INSERT, session)
        sleeping = asyncio.ensure_future(value(connections, "SELECT pg_sleep(60)", session))
        await eventually(admin, SLEEPING)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await value(connections, COUNT, session) == 101


async def test_a_server_that_is_started_again_is_used_again(tmp_path: Path) -> None:
    version = 16 if os.environ.get("TEST_POSTGRES_VERSION") == "16" else 18
    server = EmbeddedPostgres(tmp_path, version=version)
    server.start()
    port = urlsplit(server.url).port
    assert port is not None
    try:
        async with connections_to(server.url, Limits(wait_seconds=20)) as connections:
            session = await begin(connections)
            page = await read(connections, "SELECT generate_series(1, 2)", max_rows=1)
            assert await value(connections, "SELECT 1") == 1
            server.stop()
            with pytest.raises(SessionLost):
                await value(connections, "SELECT 1", session)
            with pytest.raises(DatabaseAway):
                await more(connections, page.cursor)
            with pytest.raises(DatabaseAway, match="cannot be reached"):
                await value(connections, "SELECT 1")
            server = EmbeddedPostgres(tmp_path, version=version, pick_port=lambda: port)
            server.start()
            assert await value(connections, "SELECT 1") == 1
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "planted-secret"}, "user or password is wrong"),
        ({"user": "planted-user"}, "user or password is wrong"),
        ({"database": "planted-database"}, "no database of the name"),
        ({"host": "127.0.0.1", "port": 9}, "cannot be reached"),
        ({"ssl": "require"}, "cannot be reached"),
    ],
)
async def test_nothing_tells_where_the_database_is(shop: str, change: dict[str, Any], words: str) -> None:
    from coldquery.connections.owner import Connections

    at = urlsplit(shop)
    connect = {
        "host": at.hostname,
        "port": at.port,
        "user": at.username,
        "password": at.password,
        "database": at.path[1:],
        **change,
    }
    connections = Connections(connect, Limits())
    await connections.start()
    try:
        with pytest.raises(ColdQueryError, match=words) as failure:
            await connections.require_reachable()
    finally:
        await connections.stop()
    assert isinstance(failure.value, DatabaseAway)
    told = f"{failure.value} {failure.value.hint}"
    assert not [word for word in ("planted", "127.0.0.1", "postgres:", str(at.password)) if word in told]


async def test_stopping_is_bounded_when_the_server_is_silent(
    network: SilentNetwork, skip_ahead: Callable[[float], None]
) -> None:
    async with connections_to(network.url, PATIENT, within_seconds=None) as connections:
        await begin(connections)
        page = await read(connections, "SELECT generate_series(1, 2)", max_rows=1)
        assert page.cursor
        network.is_silent = True

        async def stopping() -> None:
            await connections.stop()
            raise EOFError

        assert isinstance(await until_over(stopping(), network, skip_ahead), EOFError)
