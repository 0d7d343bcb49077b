import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import asyncpg
import pytest
from cq_cancelling import CancelledAt
from cq_connections import (
    NOTHING,
    OTHER,
    SOON,
    WRITER,
    Clock,
    begin,
    connections_to,
    kill_backends,
    more,
    read,
    states,
    value,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldquery.connections.cursors import CURSORS_OF_A_SESSION
from coldquery.connections.owner import Connections
from coldquery.connections.timeout import Timeout
from coldquery.errors import NoSuchCursor, Refused, SessionLost, StatementFailed, TimedOut
from coldquery.limits import Limits
from coldquery.values.size import json_size

SERIES = "SELECT i FROM generate_series(1, {}) i"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def connections(shop: str, clock: Clock) -> AsyncGenerator[Connections]:
    async with connections_to(shop, clock=clock) as connections:
        yield connections


async def all_pages(
    connections: Connections, sql: str, asked: Mapping[str, Any] | None = None, **limits: Any
) -> list[list[Any]]:
    """The rows of each page of `sql`."""
    page = await read(connections, sql, **(asked or {}), **limits)
    pages = [page.rows]
    while page.cursor:
        page = await more(connections, page.cursor, **limits)
        pages.append(page.rows)
    assert not page.truncated
    return pages


async def test_a_read_that_fits_keeps_nothing_open(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    page = await read(connections, SERIES.format(1000))
    assert [row[0] for row in page.rows] == list(range(1, 1001))
    assert (page.truncated, page.cursor) == (False, None)
    assert page.columns == [{"name": "i", "type": "int4"}]
    assert await states(admin) == ["idle"]


async def test_one_row_more_than_fits_makes_a_cursor(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    page = await read(connections, SERIES.format(1001))
    assert len(page.rows) == 1000
    assert page.truncated
    assert await states(admin) == ["idle in transaction"]
    last = await more(connections, page.cursor)
    assert (last.rows, last.truncated, last.cursor) == ([[1001]], False, None)
    assert await states(admin) == ["idle"]


@pytest.mark.parametrize("in_session", [False, True])
@pytest.mark.parametrize(
    ("rows", "max_rows"), [(0, 1), (1, 1), (63, 64), (64, 64), (65, 64), (130, 64), (300, 7), (10_000, 999)]
)
async def test_pages_have_each_row_once_and_in_order(
    connections: Connections, rows: int, max_rows: int, in_session: bool
) -> None:
    session = await begin(connections) if in_session else None
    pages = await all_pages(connections, SERIES.format(rows), {"session": session}, max_rows=max_rows)
    assert [row[0] for page in pages for row in page] == list(range(1, rows + 1))
    assert [len(page) for page in pages[:-1]] == [max_rows] * (len(pages) - 1)
    assert len(pages) == max(1, -(-rows // max_rows))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 3000), max_size=150),
    max_rows=st.integers(1, 200),
    max_bytes=st.integers(1, 20_000),
)
def test_no_page_has_more_rows_or_bytes_than_it_may(
    shop: str, lengths: list[int], max_rows: int, max_bytes: int
) -> None:
    async def pages() -> list[list[Any]]:
        async with connections_to(shop) as connections:
            return await all_pages(
                connections,
                "SELECT repeat('ü', n) FROM unnest($1::int[]) n",
                {"params": [lengths]},
                max_rows=max_rows,
                max_bytes=max_bytes,
            )

    found = asyncio.run(pages())
    assert [len(row[0]) for page in found for row in page] == lengths
    for page in found:
        assert len(page) <= max_rows
        assert len(page) <= 1 or json_size(page) - 2 <= max_bytes
    assert all(found) or found == [[]]


async def test_a_row_that_is_larger_than_a_page_comes_alone(connections: Connections) -> None:
    pages = await all_pages(connections, "SELECT repeat('x', 100) FROM generate_series(1, 3)", max_bytes=50)
    assert [len(page) for page in pages] == [1, 1, 1]


async def test_a_cursor_is_used_up_by_its_page(connections: Connections) -> None:
    page = await read(connections, SERIES.format(3), max_rows=1)
    await more(connections, page.cursor, max_rows=1)
    with pytest.raises(NoSuchCursor, match="used already"):
        await more(connections, page.cursor, max_rows=1)


async def test_two_calls_for_one_page_get_it_once(connections: Connections) -> None:
    page = await read(connections, SERIES.format(3), max_rows=1)
    both = await asyncio.gather(*(more(connections, page.cursor) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(one, NoSuchCursor) for one in both) == 1


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_cursor_is_nobody_elses(connections: Connections, in_session: bool) -> None:
    session = await begin(connections) if in_session else None
    page = await read(connections, SERIES.format(2), max_rows=1, session=session)
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor, caller=OTHER)
    assert (await more(connections, page.cursor)).rows == [[2]]


@pytest.mark.parametrize(("idle", "is_there"), [(59, True), (60, False)])
async def test_a_cursor_that_nobody_asks_for_is_closed(
    connections: Connections, admin: asyncpg.Connection, clock: Clock, idle: float, is_there: bool
) -> None:
    page = await read(connections, SERIES.format(2), max_rows=1)
    clock.now += idle
    if is_there:
        await connections.cursors.expire()
        assert (await more(connections, page.cursor)).rows == [[2]]
    else:
        with pytest.raises(NoSuchCursor):
            await more(connections, page.cursor)
        await connections.cursors.expire()
    assert await states(admin) == ["idle"]


async def test_the_oldest_cursor_makes_room_for_a_new_one(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    pages = [await read(connections, SERIES.format(2), max_rows=1) for _ in range(4)]
    assert await states(admin) == ["idle", *["idle in transaction"] * 3]
    with pytest.raises(NoSuchCursor, match="made room"):
        await more(connections, pages[0].cursor)
    for page in pages[1:]:
        assert (await more(connections, page.cursor)).rows == [[2]]


async def test_without_room_a_read_is_cut_and_keeps_nothing(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop, Limits(max_sessions=1, reserved=2)) as connections:
        page = await read(connections, SERIES.format(2), max_rows=1)
        assert (page.rows, page.truncated, page.cursor) == ([[1]], True, None)
        assert await states(admin) == ["idle"]


async def test_cursors_and_sessions_leave_room_for_two_reads(connections: Connections) -> None:
    for _ in range(10):
        await begin(connections)
    for _ in range(3):
        assert (await read(connections, SERIES.format(2), max_rows=1)).cursor
    assert await asyncio.gather(*(value(connections, "SELECT 1") for _ in range(2))) == [1, 1]


async def test_a_cursor_of_a_session_lives_as_long_as_it(connections: Connections, clock: Clock) -> None:
    session = await begin(connections)
    await write(connections, "CREATE TEMP TABLE mine AS SELECT generate_series(1, 3) i", session)
    page = await read(connections, "TABLE mine", session=session, max_rows=1)
    clock.now += 1000
    await connections.cursors.expire()
    await write(connections, "INSERT INTO mine VALUES (4)", session)
    page = await more(connections, page.cursor, max_rows=1)
    assert page.rows == [[2]]
    assert connections.sessions.list(WRITER)[0].open_cursors == 1
    await connections.sessions.commit(WRITER, session, SOON)
    with pytest.raises(NoSuchCursor, match="ended with its session"):
        await more(connections, page.cursor)


async def test_a_cursor_of_a_session_still_cannot_write(connections: Connections) -> None:
    session = await begin(connections)
    # Nothing looked at it: the function is called when its row is fetched.
    page = await read(
        connections,
        "SELECT CASE WHEN i > 100 THEN bump() END FROM generate_series(1, 200) i",
        session=session,
        max_rows=10,
    )
    with pytest.raises(StatementFailed, match="read-only"):
        await more(connections, page.cursor)
    assert await write(connections, "DELETE FROM purchase", session) == "DELETE 1000"


async def test_a_cursor_outside_a_session_still_cannot_write(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    page = await read(
        connections, "SELECT CASE WHEN i > 100 THEN bump() END FROM generate_series(1, 200) i", max_rows=10
    )
    with pytest.raises(StatementFailed, match="read-only"):
        await more(connections, page.cursor)
    assert await states(admin) == ["idle"]


async def test_a_rollback_to_a_savepoint_closes_the_cursors_of_its_session(connections: Connections) -> None:
    session = await begin(connections)
    await connections.sessions.savepoint(WRITER, session, "here", SOON)
    page = await read(connections, SERIES.format(2), session=session, max_rows=1)
    await connections.sessions.rollback_to(WRITER, session, "here", SOON)
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor)


async def test_a_cursor_that_something_closed_in_its_session_is_gone(connections: Connections) -> None:
    session = await begin(connections)
    page = await read(connections, SERIES.format(2000), session=session, max_rows=1)
    await write(connections, "CLOSE ALL", session)
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor)
    assert await value(connections, "SELECT 1", session) == 1


async def test_a_session_has_a_few_cursors_and_the_oldest_makes_room(connections: Connections) -> None:
    session = await begin(connections)
    pages = [
        await read(connections, SERIES.format(2), session=session, max_rows=1)
        for _ in range(CURSORS_OF_A_SESSION + 1)
    ]
    assert connections.sessions.list(WRITER)[0].open_cursors == CURSORS_OF_A_SESSION
    open_now = "SELECT count(*) FROM pg_cursors WHERE name LIKE '\\_\\_asyncpg\\_portal%'"
    assert await value(connections, open_now, session) == CURSORS_OF_A_SESSION
    with pytest.raises(NoSuchCursor):
        await more(connections, pages[0].cursor)
    assert (await more(connections, pages[1].cursor)).rows == [[2]]
    assert await value(connections, open_now, session) == CURSORS_OF_A_SESSION - 1


async def test_a_cursor_that_something_closed_may_make_room_all_the_same(connections: Connections) -> None:
    session = await begin(connections)
    for _ in range(CURSORS_OF_A_SESSION):
        await read(connections, SERIES.format(2), session=session, max_rows=1)
    await write(connections, "CLOSE ALL", session)
    page = await read(connections, SERIES.format(2), session=session, max_rows=1)
    assert (await more(connections, page.cursor)).rows == [[2]]


async def test_a_closed_cursor_whose_last_rows_had_come_already_is_gone(connections: Connections) -> None:
    session = await begin(connections)
    page = await read(connections, SERIES.format(3), session=session, max_rows=2, max_bytes=1)
    await write(connections, "CLOSE ALL", session)
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor)
    assert await value(connections, "SELECT 1", session) == 1


async def test_a_change_of_the_schema_does_not_wait_for_the_cursors_of_its_caller(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    mine = [await read(connections, "SELECT id FROM customer", max_rows=1) for _ in range(2)]
    others = await connections.cursors.read(OTHER, SERIES.format(2), None, None, SOON, NOTHING, 1, 1000)
    session = await begin(connections)
    mine.append(await read(connections, "SELECT id FROM customer", session=session, max_rows=1))
    async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, needs_way=True):
        # One is the change itself.
        assert await states(admin) == ["idle", *["idle in transaction"] * 3]
    assert connections.sessions.list(WRITER)[0].open_cursors == 1
    async with connections.writing(WRITER, session, autocommit=False, timeout=SOON, needs_way=True) as work:
        await work.connection.execute("ALTER TABLE customer ADD more int")
    assert connections.sessions.list(WRITER)[0].open_cursors == 0
    for page in mine:
        with pytest.raises(NoSuchCursor, match="change of the schema"):
            await more(connections, page.cursor)
    assert (await more(connections, others.cursor, caller=OTHER)).rows == [[2]]


async def test_a_cursor_that_was_not_closed_as_the_call_was_cancelled_is_still_known(
    connections: Connections, admin: asyncpg.Connection, clock: Clock
) -> None:
    for _ in range(3):
        await read(connections, SERIES.format(2), max_rows=1)
    clock.now += 60
    with pytest.raises(asyncio.CancelledError):
        await CancelledAt(1, connections.cursors.expire())
    assert await states(admin) == ["idle", *["idle in transaction"] * 2]
    await connections.cursors.expire()
    assert await states(admin) == ["idle"] * 3


async def test_a_page_that_takes_too_long_closes_its_cursor(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    page = await read(
        connections,
        "SELECT pg_sleep(CASE WHEN i > 100 THEN 60 ELSE 0 END) FROM generate_series(1, 200) i",
        max_rows=10,
    )
    assert page.cursor
    with pytest.raises(TimedOut) as failure:
        await connections.cursors.more(WRITER, page.cursor, 1000, 1000, Timeout(50))
    # PostgreSQL itself keeps the time of each page.
    assert failure.value.sqlstate == "57014"
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor)
    assert await states(admin) == ["idle"]


async def test_a_lost_session_takes_its_cursors_along(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    session = await begin(connections)
    page = await read(connections, SERIES.format(2), session=session, max_rows=1)
    await kill_backends(admin)
    with pytest.raises(SessionLost):
        await more(connections, page.cursor)
    with pytest.raises(NoSuchCursor):
        await more(connections, page.cursor)


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_cursor_does_not_go_on_with_another_statement(
    connections: Connections, in_session: bool
) -> None:
    session = await begin(connections) if in_session else None
    page = await read(connections, SERIES.format(2), session=session, max_rows=1)
    assert page.cursor
    with pytest.raises(Refused, match="another statement"):
        await connections.cursors.more(WRITER, page.cursor, 10, 1000, SOON, "SELECT 1")
    assert (await more(connections, page.cursor)).rows == [[2]]


async def test_a_type_that_was_altered_is_told_once_and_then_known(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    await admin.execute("CREATE TYPE part AS (a int)")
    assert (await read(connections, "SELECT ROW(1)::part")).rows == [[{"a": 1}]]
    await admin.execute("ALTER TYPE part ADD ATTRIBUTE b int")
    with pytest.raises(Refused, match="altered"):
        await read(connections, "SELECT ROW(1, 2)::part")
    assert (await read(connections, "SELECT ROW(1, 2)::part")).rows == [[{"a": 1, "b": 2}]]


async def test_a_stopped_owner_has_no_cursors(shop: str) -> None:
    async with connections_to(shop) as connections:
        page = await read(connections, SERIES.format(2), max_rows=1)
        await connections.stop()
        with pytest.raises(NoSuchCursor):
            await more(connections, page.cursor)


async def test_stopping_closes_cursors(shop: str, admin: asyncpg.Connection) -> None:
    async with connections_to(shop) as connections:
        page = await read(connections, SERIES.format(2), max_rows=1)
        await connections.cursors.stop()
        assert await states(admin) == ["idle"]
        with pytest.raises(NoSuchCursor):
            await more(connections, page.cursor)
