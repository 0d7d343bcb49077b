"""pg_query write of what needs a table for itself: where it runs, and what gives way to it."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
from cq_asking import asking, until_somebody_waits

from coldquery.actions.context import Context
from coldquery.actions.query.read import read
from coldquery.actions.query.write import write
from coldquery.actions.transactions.begin import begin
from coldquery.errors import NoSuchCursor, StatementFailed

RENAME = "update customer set name = $1 where id <= $2"


@pytest.fixture
async def context(shop: str) -> AsyncGenerator[Context]:
    async with asking(shop) as context:
        yield context


PARTITIONED = """
create table dated (day date) partition by range (day);
create table dated_2026 partition of dated for values from ('2026-01-01') to ('2027-01-01');
create index dated_day on dated (day);
"""


@pytest.mark.parametrize(
    ("sql", "command"),
    [
        ("reindex table dated", "REINDEX"),
        ("reindex index dated_day", "REINDEX"),
        ("cluster dated using dated_day", "CLUSTER"),
    ],
)
async def test_what_cannot_run_in_a_transaction_as_its_table_is_partitioned_is_written(
    context: Context, admin: asyncpg.Connection, sql: str, command: str
) -> None:
    await admin.execute(PARTITIONED)
    assert (await write(context, sql=sql, autocommit=True))["command"] == command
    session_id = (await begin(context))["session_id"]
    with pytest.raises(StatementFailed, match="cannot run inside a transaction block"):
        await write(context, sql=sql, session_id=session_id)


@pytest.mark.parametrize(
    ("sql", "command"),
    [("reindex table customer", "REINDEX"), ("cluster customer using customer_pkey", "CLUSTER")],
)
async def test_what_can_run_in_a_transaction_as_its_table_is_not_partitioned_does_in_a_session(
    context: Context, sql: str, command: str
) -> None:
    session_id = (await begin(context))["session_id"]
    assert (await write(context, sql=sql, session_id=session_id))["command"] == command


@pytest.mark.parametrize("in_session", [False, True])
async def test_a_table_may_be_altered_while_a_read_of_it_has_more(context: Context, in_session: bool) -> None:
    session_id = (await begin(context))["session_id"] if in_session else None
    page = await read(context, sql="select id from customer", max_rows=1, session_id=session_id)
    altered = await write(
        context,
        sql="alter table customer add more int",
        session_id=session_id,
        autocommit=not in_session,
    )
    assert altered["command"] == "ALTER TABLE"
    with pytest.raises(NoSuchCursor, match="change of the schema"):
        await read(context, cursor=page["cursor"])


@pytest.mark.parametrize("sql", [RENAME, "delete from purchase where $1 = '' and $2 = 0"])
async def test_rows_may_be_written_while_a_read_goes_on_in_pages(context: Context, sql: str) -> None:
    page = await read(context, sql="select id from customer order by id", max_rows=99)
    await write(context, sql=sql, params=["x", 3], autocommit=True)
    assert (await read(context, cursor=page["cursor"]))["rows"] == [[100]]


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(
    context: Context, admin: asyncpg.Connection
) -> None:
    database = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter database {database} set deadlock_timeout = '10ms'")
    sessions = [(await begin(context))["session_id"] for _ in range(2)]
    touch = "update customer set name = 'touched' where id = $1"
    await write(context, sql=touch, params=[1], session_id=sessions[0])
    await write(context, sql=touch, params=[2], session_id=sessions[1])
    outcomes = await asyncio.gather(
        write(context, sql=touch, params=[2], session_id=sessions[0]),
        write(context, sql=touch, params=[1], session_id=sessions[1]),
        return_exceptions=True,
    )
    (failure,) = [outcome for outcome in outcomes if isinstance(outcome, StatementFailed)]
    assert failure.sqlstate == "40P01"
    assert "try the whole transaction again" in str(failure.hint)


async def test_a_write_that_another_was_in_the_way_of_is_to_be_called_again(
    shop: str, admin: asyncpg.Connection
) -> None:
    database = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter database {database} set default_transaction_isolation = 'repeatable read'")
    async with asking(shop) as context:
        async with admin.transaction():
            await admin.execute("update customer set name = 'theirs' where id = 1")
            call = asyncio.create_task(write(context, sql=RENAME, params=["ours", 1], autocommit=True))
            await until_somebody_waits(admin)
        with pytest.raises(StatementFailed) as failure:
            await call
    assert failure.value.sqlstate == "40001"
    assert "call this again" in str(failure.value.hint)
    assert await admin.fetchval("select name from customer where id = 1") == "theirs"
