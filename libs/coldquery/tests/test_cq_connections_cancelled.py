import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import pytest
from cq_cancelling import CancelledAt
from cq_connections import (
    NOTHING,
    SOON,
    WRITER,
    begin,
    connections_to,
    eventually,
    more,
    read,
    states,
    value,
    write,
)

from coldquery.connections.owner import Connections
from coldquery.errors import ColdQueryError
from coldquery.limits import Limits

SMALL = Limits(max_sessions=1, reserved=3, wait_seconds=20)
SIZE = 4
INSERT = "INSERT INTO customer (id, name) VALUES ((SELECT max(id) + 1 FROM customer), 'x')"
COUNT = "SELECT count(*) FROM customer"


async def reads_alone(connections: Connections) -> None:
    page = await read(
        connections, "SELECT generate_series(1, 3), $1::date", max_rows=1, params=["2026-01-01"]
    )
    page = await more(connections, page.cursor, max_rows=1)
    await more(connections, page.cursor)
    await value(connections, "SELECT 1")


async def writes_alone(connections: Connections) -> None:
    await write(connections, INSERT)


async def writes_bare(connections: Connections) -> None:
    async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, bare=True) as work:
        await work.connection.execute("VACUUM customer")


async def works_in_a_session(connections: Connections) -> None:
    session = await begin(connections)
    await write(connections, INSERT, session)
    await connections.sessions.savepoint(WRITER, session, "here", SOON)
    page = await read(connections, "SELECT generate_series(1, 3)", session=session, max_rows=1)
    page = await more(connections, page.cursor)
    await connections.sessions.rollback_to(WRITER, session, "here", SOON)
    await connections.sessions.commit(WRITER, session, SOON)


async def rolls_back(connections: Connections) -> None:
    await connections.sessions.rollback(WRITER, await begin(connections), SOON)


async def customers(admin: asyncpg.Connection) -> int:
    count: Any = await admin.fetchval(COUNT)
    return count


async def require_all_free(connections: Connections) -> None:
    """Each connection can be borrowed, and is as new."""
    together = asyncio.Barrier(SIZE)

    async def borrowing() -> None:
        async with connections.reading(WRITER, None, SOON, NOTHING) as work:
            assert await work.connection.fetchval("SHOW transaction_read_only") == "on"
            await together.wait()

    await asyncio.gather(*(borrowing() for _ in range(SIZE)))


async def require_sound(connections: Connections, admin: asyncpg.Connection) -> None:
    """A session that is there can be used or is known to have failed, and nothing else is open."""
    sessions = connections.sessions.list(WRITER)
    for session in sessions:
        assert session.open_cursors <= 1
        if not session.failed:
            await value(connections, COUNT, session.session_id)
            await write(connections, INSERT, session.session_id)
        await connections.sessions.rollback(WRITER, session.session_id, SOON)
    await connections.cursors.stop()
    assert set(await states(admin)) <= {"idle"}
    await require_all_free(connections)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("call", [reads_alone, writes_alone, writes_bare, works_in_a_session, rolls_back])
async def test_a_call_that_is_cancelled_at_any_point_leaves_everything_sound(
    shop: str,
    admin: asyncpg.Connection,
    call: Callable[[Connections], Coroutine[Any, Any, None]],
    again: bool,
) -> None:
    async with connections_to(shop, SMALL) as connections:
        await require_all_free(connections)
        at = 1
        while True:
            before = await customers(admin)
            cancelled = CancelledAt(at, call(connections), again=again)
            with contextlib.suppress(asyncio.CancelledError, ColdQueryError):
                await cancelled
            assert await customers(admin) in {before, before + 1}
            await require_sound(connections, admin)
            if not cancelled.was_cancelled:
                break
            at += 1
        assert at >= 3


async def test_a_first_call_that_is_cancelled_while_connecting_leaves_no_connection(
    shop: str, admin: asyncpg.Connection
) -> None:
    at = 1
    while True:
        async with connections_to(shop, SMALL) as connections:
            cancelled = CancelledAt(at, value(connections, "SELECT 1"))
            with contextlib.suppress(asyncio.CancelledError):
                await cancelled
            await require_all_free(connections)
        await eventually(
            admin,
            "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())",
        )
        if not cancelled.was_cancelled:
            break
        at += 1
    assert at > 5
