import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
from cq_connections import (
    NOTHING,
    SOON,
    WRITER,
    Clock,
    begin,
    connections_to,
    eventually,
    kill_backends,
    read,
    states,
    value,
    write,
)

from coldquery.connections.failures import translated
from coldquery.connections.owner import Connections
from coldquery.connections.sweep import Sweep, sweep_failures
from coldquery.connections.timeout import Timeout
from coldquery.errors import (
    ColdQueryError,
    NoSuchSession,
    SessionLost,
    StatementFailed,
    TimedOut,
    TooManySessions,
)
from coldquery.limits import Limits

COUNT = "SELECT count(*) FROM customer"
INSERT = "INSERT INTO customer (id, name) VALUES (1000, 'x')"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def connections(shop: str, clock: Clock) -> AsyncGenerator[Connections]:
    async with connections_to(shop, clock=clock) as connections:
        yield connections


@pytest.mark.parametrize(("idle", "is_there"), [(1799, True), (1800, False)])
async def test_a_session_that_is_idle_for_too_long_is_rolled_back(
    connections: Connections, admin: asyncpg.Connection, clock: Clock, idle: float, is_there: bool
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    clock.now += idle
    await connections.sessions.expire()
    assert await states(admin) == (["idle in transaction"] if is_there else ["idle"])
    assert len(connections.sessions.list(WRITER)) == is_there


async def test_an_expired_session_is_gone_even_before_the_sweep(
    connections: Connections, admin: asyncpg.Connection, clock: Clock
) -> None:
    session = await begin(connections)
    clock.now += 1800
    with pytest.raises(NoSuchSession, match="idle for more than 1800 s"):
        await value(connections, COUNT, session)
    assert await states(admin) == ["idle"]


async def test_a_session_in_use_does_not_expire(connections: Connections, clock: Clock) -> None:
    session = await begin(connections)
    async with connections.reading(WRITER, session, SOON, NOTHING) as work:
        clock.now += 5000
        await connections.sessions.expire()
        assert await work.connection.fetchval("SELECT 1") == 1
    clock.now += 1799
    assert await value(connections, COUNT, session) == 100


@pytest.mark.parametrize(("idle", "is_hinted"), [(1500, False), (1501, True)])
async def test_a_session_that_nearly_expired_says_so(
    connections: Connections, clock: Clock, idle: float, is_hinted: bool
) -> None:
    session = await begin(connections)
    clock.now += idle
    async with connections.reading(WRITER, session, SOON, NOTHING) as work:
        assert (work.hint is not None and "299 s left" in work.hint) == is_hinted
    async with connections.writing(WRITER, session, autocommit=False, timeout=SOON) as work:
        assert work.hint is None


async def test_a_list_says_how_old_and_how_idle_sessions_are(connections: Connections, clock: Clock) -> None:
    session = await begin(connections)
    clock.now += 100
    await value(connections, COUNT, session)
    clock.now += 10
    (view,) = connections.sessions.list(WRITER)
    assert (view.age_seconds, view.idle_seconds, view.expires_in_seconds) == (110, 10, 1790)
    assert (view.read_only, view.failed, view.open_cursors) == (False, False, 0)


async def test_a_backend_that_is_killed_while_idle_ends_the_session(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    await kill_backends(admin)
    with pytest.raises(SessionLost, match="rolled back"):
        await write(connections, INSERT, session)
    with pytest.raises(NoSuchSession):
        await write(connections, INSERT, session)
    assert await admin.fetchval(COUNT) == 100


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_lost_session_does_not_end_well(
    connections: Connections, admin: asyncpg.Connection, ending: str
) -> None:
    session = await begin(connections)
    await kill_backends(admin)
    # Where the loss is noticed only by the commit, its outcome is unknown.
    async with asyncio.timeout(30):
        while not connections.sessions._open[session].is_lost:
            await asyncio.sleep(0)
    with pytest.raises(SessionLost):
        await getattr(connections.sessions, ending)(WRITER, session, SOON)


@pytest.mark.parametrize("call", [value, write])
async def test_a_backend_that_is_killed_while_a_statement_runs_ends_the_session(
    connections: Connections, admin: asyncpg.Connection, call: object
) -> None:
    session = await begin(connections)
    sleeping = asyncio.ensure_future(
        (value if call is value else write)(connections, "SELECT pg_sleep(60)", session)
    )
    await eventually(
        admin,
        "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())",
    )
    await kill_backends(admin)
    with pytest.raises(SessionLost):
        await sleeping
    assert connections.sessions.list(WRITER) == []


async def test_a_session_that_postgresql_ends_as_idle_is_lost(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, "SET idle_in_transaction_session_timeout = '1ms'", session)
    await eventually(
        admin,
        "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'coldquery' AND datname = current_database())",
    )
    with pytest.raises(SessionLost):
        await value(connections, COUNT, session)


async def test_lost_sessions_make_room(connections: Connections, admin: asyncpg.Connection) -> None:
    for _ in range(10):
        await begin(connections)
    assert await kill_backends(admin) == 10
    # asyncpg hears of each loss when it is its turn.
    async with asyncio.timeout(30):
        while True:
            try:
                await begin(connections)
                break
            except TooManySessions:
                await asyncio.sleep(0)


async def test_a_transaction_that_is_ended_behind_its_back_ends_the_session(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    with pytest.raises(SessionLost):
        await write(connections, "ROLLBACK", session)
    assert connections.sessions.list(WRITER) == []
    assert await states(admin) == ["idle"]


async def test_what_a_cancelled_call_wrote_is_not_committed(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    is_written = asyncio.Event()

    async def writing() -> None:
        async with connections.writing(WRITER, session, autocommit=False, timeout=SOON) as work:
            await work.connection.execute(INSERT)
            is_written.set()
            await asyncio.Event().wait()

    call = asyncio.ensure_future(writing())
    await is_written.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert connections.sessions.list(WRITER)[0].failed
    with pytest.raises(StatementFailed, match="Nothing was committed"):
        await connections.sessions.commit(WRITER, session, SOON)
    assert await admin.fetchval(COUNT) == 100


async def test_a_write_that_takes_too_long_fails_the_transaction(connections: Connections) -> None:
    session = await begin(connections)
    with pytest.raises(TimedOut):
        await write(connections, "SELECT pg_sleep(60)", session, limit=Timeout(50))
    assert connections.sessions.list(WRITER)[0].failed


async def test_what_went_back_to_a_savepoint_before_it_took_too_long_can_go_on(
    connections: Connections,
) -> None:
    session = await begin(connections)

    async def going_back() -> None:
        async with connections.writing(WRITER, session, autocommit=False, timeout=Timeout(50)) as work:
            await work.connection.execute("SAVEPOINT own")
            try:
                with translated():
                    await work.connection.execute("SELECT pg_sleep(60)")
            finally:
                await work.connection.execute("ROLLBACK TO own")

    with pytest.raises(TimedOut):
        await going_back()
    assert not connections.sessions.list(WRITER)[0].failed
    assert await write(connections, INSERT, session) == "INSERT 0 1"


async def test_a_read_that_takes_too_long_does_not(connections: Connections) -> None:
    session = await begin(connections)
    async with connections.writing(WRITER, session, autocommit=False, timeout=SOON) as work:
        await work.connection.execute(INSERT)
    with pytest.raises(TimedOut):
        async with connections.reading(WRITER, session, Timeout(50), NOTHING) as work:
            await work.connection.fetchval("SELECT pg_sleep(60)")
    assert await value(connections, COUNT, session) == 101


async def test_what_a_write_sets_as_timeout_does_not_hold_for_the_next(connections: Connections) -> None:
    session = await begin(connections)
    await write(connections, "SET statement_timeout = 0", session)
    with pytest.raises(TimedOut):
        await write(connections, "SELECT pg_sleep(60)", session, limit=Timeout(50))


async def test_stopping_rolls_sessions_back(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        await write(connections, INSERT, await begin(connections))
    await eventually(
        admin,
        "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'coldquery' AND datname = current_database())",
    )
    assert await admin.fetchval(COUNT) == 100


async def test_a_sweep_goes_on_after_a_round_that_broke() -> None:
    rounds = 0
    enough = asyncio.Event()

    async def broken() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            enough.set()
        raise ColdQueryError("broken")

    before = sweep_failures._value.get()
    sweep = Sweep([broken], every_seconds=0)
    sweep.start()
    async with asyncio.timeout(30):
        await enough.wait()
    await sweep.stop()
    assert rounds >= 3
    assert sweep_failures._value.get() - before == rounds


async def test_a_started_owner_sweeps(shop: str, admin: asyncpg.Connection, clock: Clock) -> None:
    async with connections_to(shop, Limits(session_seconds=0, cursor_seconds=0), clock) as connections:
        await connections.sessions.begin(WRITER, read_only=True)
        assert (await read(connections, "SELECT generate_series(1, 2)", max_rows=1)).cursor
        assert await states(admin) == ["idle in transaction"] * 2
        connections._sweep._every_seconds = 0
        await connections._sweep.stop()
        connections._sweep.start()
        await eventually(
            admin,
            "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'coldquery' AND datname = current_database() AND state <> 'idle')",
        )
        assert connections.sessions.list(WRITER) == []
