import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
from cq_connections import (
    NOTHING,
    OTHER,
    SOON,
    WRITER,
    Clock,
    begin,
    connections_to,
    states,
    value,
    write,
)

from coldquery.connections.owner import Connections
from coldquery.connections.timeout import Timeout
from coldquery.errors import (
    Busy,
    NoSuchSession,
    Refused,
    StatementFailed,
    TooManySessions,
)

COUNT = "SELECT count(*) FROM customer"
INSERT = "INSERT INTO customer (id, name) VALUES (1000, 'x')"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def connections(shop: str, clock: Clock) -> AsyncGenerator[Connections]:
    async with connections_to(shop, clock=clock) as connections:
        yield connections


async def test_what_a_session_writes_is_seen_by_itself_alone_until_it_commits(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    assert await value(connections, COUNT, session) == 101
    assert await value(connections, COUNT) == 100
    await connections.sessions.commit(WRITER, session, SOON)
    assert await admin.fetchval(COUNT) == 101
    assert await states(admin) == ["idle", "idle"]


async def test_a_rolled_back_session_leaves_nothing(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    await connections.sessions.rollback(WRITER, session, SOON)
    assert await admin.fetchval(COUNT) == 100
    assert await states(admin) == ["idle"]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_an_ended_session_is_gone(connections: Connections, ending: str) -> None:
    session = await begin(connections)
    await getattr(connections.sessions, ending)(WRITER, session, SOON)
    with pytest.raises(NoSuchSession, match="no such session"):
        await value(connections, COUNT, session)
    assert connections.sessions.list(WRITER) == []


async def test_a_session_is_nobody_elses(connections: Connections) -> None:
    session = await begin(connections)
    with pytest.raises(NoSuchSession) as others:
        await connections.sessions.commit(OTHER, session, SOON)
    with pytest.raises(NoSuchSession) as unknown:
        await connections.sessions.commit(OTHER, "unknown", SOON)
    assert str(others.value) == str(unknown.value)
    assert connections.sessions.list(OTHER) == []
    assert [view.session_id for view in connections.sessions.list(WRITER)] == [session]


async def test_a_session_can_be_written_in_after_a_read(connections: Connections) -> None:
    session = await begin(connections)
    assert await value(connections, "SHOW transaction_read_only", session) == "on"
    async with connections.writing(WRITER, session, autocommit=False, timeout=SOON) as work:
        assert await work.connection.fetchval("SHOW transaction_read_only") == "off"
    assert await write(connections, INSERT, session) == "INSERT 0 1"


async def test_a_failing_read_leaves_the_transaction_of_its_session(connections: Connections) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    with pytest.raises(StatementFailed, match="division by zero"):
        await value(connections, "SELECT 1/0", session)
    with pytest.raises(StatementFailed, match="read-only"):
        await value(connections, "DELETE FROM purchase", session)
    assert await value(connections, COUNT, session) == 101
    assert not connections.sessions.list(WRITER)[0].failed


async def test_a_read_in_a_session_takes_strings_as_the_parser_did(connections: Connections) -> None:
    session = await begin(connections)
    await write(connections, "SET standard_conforming_strings = on", session)
    assert await value(connections, r"SELECT length('\n')", session) == 2


async def test_after_a_failing_write_only_a_rollback_follows(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    with pytest.raises(StatementFailed, match="duplicate key"):
        await write(connections, INSERT, session)
    assert connections.sessions.list(WRITER)[0].failed
    for again in (write(connections, INSERT, session), value(connections, COUNT, session)):
        with pytest.raises(StatementFailed) as failure:
            await again
        assert failure.value.sqlstate == "25P02"
        assert "savepoint_name" in str(failure.value.hint)
    with pytest.raises(StatementFailed, match="Nothing was committed"):
        await connections.sessions.commit(WRITER, session, SOON)
    assert await admin.fetchval(COUNT) == 100
    assert connections.sessions.list(WRITER) == []


async def test_a_read_does_not_go_back_to_a_savepoint_of_somebody_else(connections: Connections) -> None:
    session = await begin(connections)
    await connections.sessions.savepoint(WRITER, session, "coldquery_read", SOON)
    with pytest.raises(StatementFailed, match="division by zero"):
        await write(connections, "SELECT 1/0", session)
    for _ in range(2):
        with pytest.raises(StatementFailed, match="current transaction is aborted"):
            await value(connections, COUNT, session)


async def test_a_failed_transaction_goes_on_from_a_savepoint(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    await connections.sessions.savepoint(WRITER, session, 'a "name"; DROP', SOON)
    with pytest.raises(StatementFailed):
        await write(connections, INSERT, session)
    await connections.sessions.rollback_to(WRITER, session, 'a "name"; DROP', SOON)
    assert not connections.sessions.list(WRITER)[0].failed
    await connections.sessions.release(WRITER, session, 'a "name"; DROP', SOON)
    await connections.sessions.commit(WRITER, session, SOON)
    assert await admin.fetchval(COUNT) == 101


@pytest.mark.parametrize("name", ["coldquery: read", "coldquery: "])
async def test_a_savepoint_cannot_pass_for_one_of_the_server(connections: Connections, name: str) -> None:
    session = await begin(connections)
    with pytest.raises(Refused, match="this server's own"):
        await connections.sessions.savepoint(WRITER, session, name, SOON)
    await connections.sessions.savepoint(WRITER, session, "coldquery", SOON)


async def test_an_unknown_savepoint_is_an_error_of_postgresql(connections: Connections) -> None:
    session = await begin(connections)
    with pytest.raises(StatementFailed, match="does not exist") as failure:
        await connections.sessions.rollback_to(WRITER, session, "nowhere", SOON)
    assert failure.value.sqlstate == "3B001"


async def test_a_read_only_session_is_not_written_in(connections: Connections) -> None:
    session = await begin(connections, read_only=True)
    with pytest.raises(Refused, match="read_only"):
        await write(connections, INSERT, session)
    assert await value(connections, COUNT, session) == 100


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
async def test_a_session_has_the_isolation_that_was_asked_for(connections: Connections, level: str) -> None:
    view = await connections.sessions.begin(WRITER, level, read_only=True)
    assert view.isolation_level == level
    assert await value(connections, "SHOW transaction_isolation", view.session_id) == level


async def test_an_unknown_isolation_is_refused(connections: Connections) -> None:
    with pytest.raises(Refused, match="read committed, repeatable read, serializable"):
        await connections.sessions.begin(WRITER, "read uncommitted; COMMIT", read_only=True)


async def test_ten_sessions_leave_room_for_reads_and_the_eleventh_is_refused_at_once(
    connections: Connections, clock: Clock
) -> None:
    first = await begin(connections)
    clock.now += 60
    for _ in range(9):
        await begin(connections)
    with pytest.raises(TooManySessions, match=r"All 10 sessions are in use\. The next expires in 1740 s"):
        await begin(connections)
    assert await asyncio.gather(*(value(connections, "SELECT 1") for _ in range(8))) == [1] * 8
    await connections.sessions.rollback(WRITER, first, SOON)
    await begin(connections)


async def test_sessions_that_are_being_opened_count(connections: Connections) -> None:
    opened = await asyncio.gather(*(begin(connections) for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(one, TooManySessions) for one in opened) == 2
    assert len(connections.sessions.list(WRITER)) == 10


async def test_two_calls_on_one_session_queue(connections: Connections) -> None:
    session = await begin(connections)
    numbers = await asyncio.gather(
        *(value(connections, f"SELECT {number} FROM pg_sleep(0.01)", session) for number in range(5))
    )
    assert numbers == [0, 1, 2, 3, 4]


async def test_a_call_that_waited_for_a_commit_finds_no_session(connections: Connections) -> None:
    session = await begin(connections)
    committing = asyncio.ensure_future(connections.sessions.commit(WRITER, session, SOON))
    reading = asyncio.ensure_future(value(connections, COUNT, session))
    await committing
    with pytest.raises(NoSuchSession):
        await reading


async def test_a_call_does_not_wait_for_others_longer_than_it_may(connections: Connections) -> None:
    session = await begin(connections)
    async with connections.reading(WRITER, session, SOON, NOTHING):
        with pytest.raises(Busy, match="took longer than 10 ms"):
            await write(connections, INSERT, session, limit=Timeout(10))
    await write(connections, INSERT, session)
