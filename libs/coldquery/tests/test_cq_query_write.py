"""pg_query write on a real database."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of, until_somebody_waits
from pydantic import TypeAdapter

from coldquery.actions.context import Context
from coldquery.actions.query.answers import WriteAnswer
from coldquery.actions.query.read import read
from coldquery.actions.query.running import PIECE
from coldquery.actions.query.write import write
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import commit
from coldquery.errors import NotAllowed, Refused, StatementFailed, TimedOut
from coldquery.limits import Limits

RENAME = "update customer set name = $1 where id <= $2"


@pytest.fixture
async def context(shop: str) -> AsyncGenerator[Context]:
    async with asking(shop) as context:
        yield context


@pytest.fixture
async def refusing(common_shop: str) -> AsyncGenerator[Context]:
    """For what changes nothing."""
    async with asking(common_shop) as context:
        yield context


async def test_a_write_tells_its_command_and_how_many_rows_it_wrote(
    context: Context, admin: asyncpg.Connection
) -> None:
    answer = await write(context, sql=RENAME, params=["x", 3], autocommit=True)
    assert answer == {"command": "UPDATE", "rows_affected": 3, "columns": [], "rows": []}
    assert await admin.fetchval("select count(*) from customer where name = 'x'") == 3


@pytest.mark.parametrize(
    ("sql", "command", "rows"),
    [
        ("insert into customer values (1000, 'x'), (1001, 'y')", "INSERT", 2),
        ("delete from purchase where id <= 4", "DELETE", 4),
        ("update customer set name = 'x' where false", "UPDATE", 0),
        (
            "merge into customer c using (values (1)) v (id) on c.id = v.id when matched then do nothing",
            "MERGE",
            0,
        ),
        ("create table a_b (id int)", "CREATE TABLE", None),
        ("create table copied as select * from customer", "SELECT", 100),
        ("alter table customer add column more text", "ALTER TABLE", None),
        ("drop view spending", "DROP VIEW", None),
        ("truncate purchase", "TRUNCATE TABLE", None),
        ("create index on customer (name)", "CREATE INDEX", None),
        ("comment on table customer is 'who buys'", "COMMENT", None),
        ("analyze customer", "ANALYZE", None),
        ("refresh materialized view totals", "REFRESH MATERIALIZED VIEW", None),
        # What cannot run in a transaction block, or may end one.
        ("vacuum customer", "VACUUM", None),
        ("create index concurrently on customer (name)", "CREATE INDEX", None),
        ("do $$ begin delete from purchase; commit; end $$", "DO", None),
        ("call tidy()", "CALL", None),
    ],
)
async def test_any_one_statement_is_written(
    context: Context, admin: asyncpg.Connection, sql: str, command: str, rows: int | None
) -> None:
    await admin.execute(
        "create materialized view totals as select 1; "
        "create procedure tidy() language plpgsql as $$ begin delete from purchase; commit; end $$"
    )
    answer = await write(context, sql=sql, autocommit=True)
    assert (answer["command"], answer["rows_affected"]) == (command, rows)


async def test_returning_gives_rows_that_are_json(context: Context) -> None:
    answer = await write(
        context,
        sql="insert into purchase (customer_id, amount, about) values ($1, $2, $3) "
        "returning amount, tags, about, bought_at, bought_at",
        params=[1, "12.50", {"a": 1}],
        autocommit=True,
    )
    assert answer["rows"] == [
        ["12.50", [], {"a": 1}, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"]
    ]
    assert [column["name"] for column in answer["columns"]] == [
        "amount",
        "tags",
        "about",
        "bought_at",
        "bought_at",
    ]
    assert (answer["command"], answer["rows_affected"]) == ("INSERT", 1)
    assert TypeAdapter(WriteAnswer).validate_python(answer) == answer


@pytest.mark.parametrize("rows", [PIECE - 1, PIECE, PIECE + 1, 0])
@pytest.mark.parametrize("way", ["autocommit", "session"])
async def test_all_rows_are_written_and_counted_however_few_are_shown(
    context: Context, admin: asyncpg.Connection, rows: int, way: str
) -> None:
    session_id = None if way == "autocommit" else (await begin(context))["session_id"]
    answer = await write(
        context,
        sql="insert into customer select i, 'n' from generate_series(1001, 1000 + $1) i returning id",
        params=[rows],
        max_rows=3,
        session_id=session_id,
        autocommit=session_id is None,
    )
    if session_id:
        await commit(context, session_id=session_id)
    assert answer["rows_affected"] == rows == await admin.fetchval("select count(*) - 100 from customer")
    assert answer["rows"] == [[1001], [1002], [1003]][:rows]
    assert answer.get("truncated", False) == (rows > 3)


@pytest.mark.parametrize(("max_rows", "truncated"), [(4, True), (5, False)])
async def test_rows_beyond_max_rows_are_cut(context: Context, max_rows: int, truncated: bool) -> None:
    sql = "delete from purchase where id <= 5 returning id"
    answer = await write(context, sql=sql, autocommit=True, max_rows=max_rows)
    assert (len(answer["rows"]), answer["rows_affected"]) == (max_rows, 5)
    assert ("truncated" in answer) == truncated


# A row of one text of 100 characters is 104 bytes of JSON, and a comma and a space.
@pytest.mark.parametrize(("max_bytes", "rows"), [(318, 3), (317, 2), (1, 1)])
async def test_rows_beyond_the_bytes_of_an_answer_are_cut(shop: str, max_bytes: int, rows: int) -> None:
    async with asking(shop, Limits(max_bytes=max_bytes, wait_seconds=20)) as context:
        answer = await write(
            context,
            sql="update customer set name = lpad(name, 100) where id <= 5 returning name",
            autocommit=True,
        )
        assert (len(answer["rows"]), answer["rows_affected"], answer.get("truncated")) == (rows, 5, True)


@pytest.mark.parametrize("max_rows", [0, 1001])
async def test_max_rows_beyond_the_limit_is_refused_before_anything_is_written(
    context: Context, admin: asyncpg.Connection, max_rows: int
) -> None:
    with pytest.raises(Refused, match="1 to 1000"):
        await write(context, sql="delete from purchase", autocommit=True, max_rows=max_rows)
    assert await admin.fetchval("select count(*) from purchase") == 1000


async def test_a_select_of_a_function_that_writes_is_a_write(
    context: Context, admin: asyncpg.Connection
) -> None:
    answer = await write(context, sql="select bump() from generate_series(1, 2)", autocommit=True, max_rows=1)
    assert answer == {
        "command": "SELECT",
        "rows_affected": 2,
        "columns": [{"name": "bump", "type": "int4"}],
        "rows": [[1]],
        "truncated": True,
    }
    assert await admin.fetchval("select count(*) from customer where name = 'bumped'") == 100


async def test_a_procedure_answers_with_its_out_parameters(
    context: Context, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "create procedure next_id(inout id int) language plpgsql as $$ begin id := id + 1; commit; end $$"
    )
    answer = await write(context, sql="call next_id($1)", params=[41], autocommit=True)
    assert (answer["command"], answer["rows"]) == ("CALL", [[42]])


async def test_a_cursor_of_the_sessions_own_is_fetched_from(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql="declare c cursor for table customer", session_id=session_id)
    answer = await write(context, sql="fetch all from c", session_id=session_id, max_rows=1)
    assert (answer["command"], answer["rows_affected"]) == ("FETCH", 100)
    assert (len(answer["rows"]), answer.get("truncated")) == (1, True)


async def test_a_write_says_where_it_is_to_be_done(context: Context, admin: asyncpg.Connection) -> None:
    with pytest.raises(Refused, match=r"autocommit: true.*session_id"):
        await write(context, sql="delete from purchase")
    session_id = (await begin(context))["session_id"]
    with pytest.raises(Refused, match="not both"):
        await write(context, sql="delete from purchase", session_id=session_id, autocommit=True)
    assert await admin.fetchval("select count(*) from purchase") == 1000


async def test_a_caller_without_the_scope_writes_nothing(context: Context, admin: asyncpg.Connection) -> None:
    with pytest.raises(NotAllowed):
        await write(as_reader(context), sql="delete from purchase", autocommit=True)
    assert await admin.fetchval("select count(*) from purchase") == 1000


@pytest.mark.parametrize(
    "sql",
    [
        "begin",
        "commit",
        "rollback",
        "start transaction",
        "savepoint a",
        "release a",
        "rollback to a",
        "prepare transaction 'a'",
        "commit prepared 'a'",
        "end",
        "abort",
    ],
)
async def test_transactions_are_the_work_of_another_tool(refusing: Context, sql: str) -> None:
    with pytest.raises(Refused, match="pg_tx"):
        await write(refusing, sql=sql, autocommit=True)


@pytest.mark.parametrize(
    "sql", ["copy customer from stdin", "copy customer to stdout", "copy (select 1) to stdout"]
)
async def test_a_copy_through_the_client_is_refused_with_what_to_do_instead(
    refusing: Context, sql: str
) -> None:
    with pytest.raises(Refused, match="COPY") as refusal:
        await write(refusing, sql=sql, autocommit=True)
    assert "unnest" in str(refusal.value.hint)


@pytest.mark.parametrize("sql", ["delete from purchase; select 1", "", "-- nothing"])
async def test_other_than_one_statement_is_refused(refusing: Context, sql: str) -> None:
    with pytest.raises(Refused):
        await write(refusing, sql=sql, autocommit=True)


@pytest.mark.parametrize("sql", ["vacuum customer", "create index concurrently on customer (name)"])
async def test_what_cannot_run_in_a_transaction_is_refused_in_a_session_and_leaves_it_whole(
    refusing: Context, sql: str
) -> None:
    session_id = (await begin(refusing))["session_id"]
    with pytest.raises(Refused, match="session") as refusal:
        await write(refusing, sql=sql, session_id=session_id)
    assert "autocommit" in str(refusal.value.hint)
    assert (await write(refusing, sql=RENAME, params=["x", 1], session_id=session_id))["rows_affected"] == 1


async def test_a_do_block_runs_in_a_session_and_cannot_commit_it(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql="do $$ begin delete from purchase; end $$", session_id=session_id)
    with pytest.raises(StatementFailed) as failure:
        await write(context, sql="do $$ begin commit; end $$", session_id=session_id)
    assert failure.value.sqlstate == "2D000"
    assert await admin.fetchval("select count(*) from purchase") == 1000


async def test_a_write_that_cannot_be_rolled_back_leaves_the_connection_as_it_was(context: Context) -> None:
    await write(context, sql="vacuum customer", autocommit=True, timeout_ms=29_999)
    shown = await read(
        context, sql="select current_setting('statement_timeout'), current_setting('transaction_read_only')"
    )
    assert shown["rows"] == [["30s", "on"]]


async def test_what_a_write_sets_is_forgotten_after_it(context: Context) -> None:
    await write(context, sql="set search_path = pg_catalog", autocommit=True)
    assert (await read(context, sql="show search_path"))["rows"] == [['"$user", public']]


UNTOLD = ["row('1'::money)", "row('1 2'::int2vector)", "row(array[1::money])"]


@pytest.mark.parametrize("returned", UNTOLD)
async def test_what_was_written_but_cannot_be_told_is_not_kept(
    context: Context, admin: asyncpg.Connection, returned: str
) -> None:
    sql = f"insert into customer values (1000, 'x') returning {returned}"
    with pytest.raises(Refused, match="text only"):
        await write(context, sql=sql, autocommit=True)
    session_id = (await begin(context))["session_id"]
    with pytest.raises(Refused, match="text only"):
        await write(context, sql=sql, session_id=session_id)
    with pytest.raises(StatementFailed) as failure:
        await commit(context, session_id=session_id)
    assert failure.value.sqlstate == "25P02"
    assert await admin.fetchval("select count(*) from customer") == 100


async def test_a_param_that_cannot_be_taken_leaves_no_trace(
    context: Context, admin: asyncpg.Connection
) -> None:
    with pytest.raises(Refused):
        await write(context, sql=RENAME, params=["x"], autocommit=True)
    assert await admin.fetchval("select count(*) from customer where name = 'x'") == 0


async def test_a_violated_key_is_told_with_its_detail(context: Context) -> None:
    with pytest.raises(StatementFailed) as failure:
        await write(context, sql="insert into customer values (1, 'again')", autocommit=True)
    error = failure.value
    assert (error.sqlstate, error.detail) == ("23505", "Key (id)=(1) already exists.")
    assert error.message == 'duplicate key value violates unique constraint "customer_pkey"'


async def test_a_constraint_that_is_checked_at_commit_fails_the_write(
    context: Context, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "alter table purchase alter constraint purchase_customer_id_fkey deferrable initially deferred"
    )
    with pytest.raises(StatementFailed) as failure:
        await write(context, sql="delete from customer where id = 1", autocommit=True)
    assert failure.value.sqlstate == "23503"
    assert await admin.fetchval("select count(*) from customer") == 100
    assert audit_of(context).written == []
    assert len(audit_of(context).failures) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "update customer set name = 'x', id = pg_sleep(60)::text::int",
        "do $$ begin perform pg_sleep(60); end $$",
    ],
)
async def test_a_write_that_takes_too_long_is_undone(
    context: Context, admin: asyncpg.Connection, sql: str
) -> None:
    with pytest.raises(TimedOut):
        await write(context, sql=sql, autocommit=True, timeout_ms=5)
    assert await admin.fetchval("select count(*) from customer where name = 'x'") == 0


async def test_the_audit_log_is_told_of_every_write(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql="delete from purchase where id = 1", autocommit=True)
    await write(context, sql="create table t ()", session_id=session_id)
    with pytest.raises(StatementFailed):
        await write(context, sql="insert into customer values (1, 'again')", session_id=session_id)
    with pytest.raises(NotAllowed):
        await write(as_reader(context), sql="delete from customer", autocommit=True)
    assert audit_of(context).written == [
        ("writer", None, "delete from purchase where id = 1", 1),
        ("writer", session_id, "create table t ()", None),
    ]
    assert audit_of(context).failures == [
        (
            "writer",
            session_id,
            "insert into customer values (1, 'again')",
            'duplicate key value violates unique constraint "customer_pkey"',
        ),
        ("reader", None, "delete from customer", "Your key may not write."),
    ]


async def test_the_audit_log_is_told_of_a_write_whose_call_was_cancelled(
    context: Context, admin: asyncpg.Connection
) -> None:
    async with admin.transaction():
        await admin.execute("lock table purchase")
        call = asyncio.create_task(write(context, sql="delete from purchase", autocommit=True))
        await until_somebody_waits(admin)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert audit_of(context).failures == [("writer", None, "delete from purchase", "CancelledError")]
    assert await admin.fetchval("select count(*) from purchase") == 1000
