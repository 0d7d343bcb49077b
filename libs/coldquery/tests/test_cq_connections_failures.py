"""What PostgreSQL says is told as it says it, and only a connection that is lost is called so."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import asyncpg
import pytest
from cq_asking import until_somebody_waits
from cq_connections import (
    SOON,
    WRITER,
    begin,
    connections_to,
    eventually,
    kill_backends,
    read,
    value,
    write,
)

from coldquery.connections.owner import Connections
from coldquery.connections.timeout import Timeout, limited
from coldquery.errors import (
    ColdQueryError,
    DatabaseAway,
    OutcomeUnknown,
    Refused,
    StatementFailed,
    TimedOut,
)

# What PostgreSQL says as it ends a connection, and what postgres_fdw says of a server that it does not reach.
CODES_OF_A_LOSS = ["57P01", "25P03", "08001", "08006", "08P01"]
RAISING = """
create function raising(code text) returns int language plpgsql stable as
    $$ begin raise exception 'far away' using errcode = code, detail = 'no route', hint = 'go there'; end $$;
create function raised_late() returns trigger language plpgsql as
    $$ begin perform raising('08006'); return null; end $$;
create constraint trigger late after insert on customer
    deferrable initially deferred for each row execute function raised_late();
"""


@pytest.fixture
async def connections(shop: str, admin: asyncpg.Connection) -> AsyncGenerator[Connections]:
    await admin.execute(RAISING)
    async with connections_to(shop) as connections:
        yield connections


async def test_a_backend_that_is_ended_as_it_runs_a_statement_is_a_lost_connection(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    sleeping = asyncio.ensure_future(value(connections, "SELECT pg_sleep(60)"))
    await eventually(
        admin,
        "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())",
    )
    await kill_backends(admin)
    with pytest.raises(DatabaseAway, match="lost"):
        await sleeping


@pytest.mark.parametrize("in_session", [False, True])
@pytest.mark.parametrize("code", CODES_OF_A_LOSS)
async def test_an_error_with_the_code_of_a_lost_connection_is_told_as_the_error_that_it_is(
    connections: Connections, code: str, in_session: bool
) -> None:
    session = await begin(connections) if in_session else None
    with pytest.raises(StatementFailed, match="far away") as failure:
        await value(connections, f"SELECT raising('{code}')", session)
    assert failure.value.message == "far away"
    assert (failure.value.sqlstate, failure.value.detail, failure.value.hint) == (
        code,
        "no route",
        "go there",
    )
    assert await value(connections, "SELECT 1", session) == 1


async def test_a_bare_statement_that_fails_with_such_a_code_is_known_to_be_undone(
    connections: Connections, admin: asyncpg.Connection
) -> None:
    with pytest.raises(StatementFailed, match="far away"):
        async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, bare=True) as work:
            await work.connection.execute(
                "DO $$ begin delete from purchase; perform raising('08006'); end $$"
            )
    assert await admin.fetchval("SELECT count(*) FROM purchase") == 1000


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_commit_that_fails_with_such_a_code_is_known_to_be_undone(
    connections: Connections, admin: asyncpg.Connection, in_session: bool
) -> None:
    session = await begin(connections) if in_session else None

    async def committed() -> None:
        await write(connections, "INSERT INTO customer (id, name) VALUES (1000, 'x')", session)
        if session:
            await connections.sessions.commit(WRITER, session, SOON)

    with pytest.raises(StatementFailed, match="far away") as failure:
        await committed()
    assert failure.value.sqlstate == "08006"
    assert await admin.fetchval("SELECT count(*) FROM customer") == 100


async def test_the_advice_of_the_driver_to_programmers_is_not_told(connections: Connections) -> None:
    with pytest.raises(StatementFailed, match="does not exist") as failure:
        await write(connections, "EXECUTE unheard_of")
    assert (failure.value.sqlstate, failure.value.hint) == ("26000", None)


async def test_a_timeout_of_postgresql_has_its_code(connections: Connections) -> None:
    with pytest.raises(TimedOut, match="statement timeout") as failure:
        await write(connections, "SELECT pg_sleep(60)", limit=Timeout(50))
    assert failure.value.sqlstate == "57014"


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_read_that_postgresql_does_not_end_in_time_is_ended_from_this_side(
    shop: str, admin: asyncpg.Connection, skip_ahead: Callable[[float], None], in_session: bool
) -> None:
    await admin.execute("begin; lock table customer")
    async with connections_to(shop, within_seconds=None) as connections:
        session = await begin(connections) if in_session else None
        reading = asyncio.ensure_future(
            read(connections, "SELECT FROM customer", session=session, limit=Timeout(4 * 3600 * 1000))
        )
        await until_somebody_waits(admin)
        skip_ahead(5 * 3600)
        async with asyncio.timeout(30):
            with pytest.raises(TimedOut, match="It took longer") as failure:
                await reading
        assert failure.value.sqlstate is None
        assert await value(connections, "SELECT 1", session) == 1


@pytest.mark.parametrize("encoding", ["LATIN1", "SJIS", "SQL_ASCII"])
async def test_a_session_that_sets_another_encoding_still_has_its_text_as_it_is(
    connections: Connections, encoding: str
) -> None:
    session = await begin(connections)
    await write(connections, f"SET client_encoding = '{encoding}'", session)
    assert await value(connections, "SELECT 'é ж ' || chr(8364)", session) == "é ж €"
    await write(connections, f"SET client_encoding = '{encoding}'", session)
    await write(connections, "UPDATE customer SET name = 'é ж' WHERE id = 1", session)
    assert await value(
        connections, "SELECT name = chr(233) || ' ' || chr(1078) FROM customer WHERE id = 1", session
    )


@pytest.mark.parametrize("in_session", [False, True])
async def test_rows_that_the_driver_cannot_read_are_refused_and_no_connection_is_lost(
    connections: Connections, in_session: bool
) -> None:
    session = await begin(connections) if in_session else None
    with pytest.raises(Refused, match="text only") as failure:
        await read(connections, "SELECT ROW(1::money)", session=session)
    assert "to text" in str(failure.value.hint)
    assert await value(connections, "SELECT 1", session) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [(DatabaseAway("lost"), OutcomeUnknown), (TimedOut("ended by PostgreSQL"), TimedOut)],
    ids=["lost", "ended by PostgreSQL"],
)
async def test_a_bare_statement_may_be_done_or_not_where_a_loss_was_told_already(
    connections: Connections, error: ColdQueryError, told: type[ColdQueryError]
) -> None:
    with pytest.raises(told):
        async with connections.writing(WRITER, None, autocommit=True, timeout=SOON, bare=True):
            raise error


async def test_a_wait_that_gave_up_by_itself_is_not_the_end_of_the_time_of_the_call() -> None:
    gave_up = TimeoutError("of a lock")
    with pytest.raises(TimeoutError) as failure:
        async with limited(SOON):
            raise gave_up
    assert failure.value is gave_up
