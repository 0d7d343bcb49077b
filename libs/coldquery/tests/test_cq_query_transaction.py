"""pg_query transaction on a real database."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of, until_somebody_waits
from pydantic import TypeAdapter, ValidationError

from coldquery.actions.context import Context
from coldquery.actions.query.answers import TransactionAnswer
from coldquery.actions.query.operations import Operation
from coldquery.actions.query.read import read
from coldquery.actions.query.transaction import transaction
from coldquery.actions.query.write import write
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import commit
from coldquery.actions.transactions.listing import list_sessions
from coldquery.errors import ColdQueryError, NotAllowed, Refused, StatementFailed, TimedOut
from coldquery.limits import Limits

TAKE: Operation = {"sql": "update purchase set amount = amount - 1 where id = $1 returning id", "params": [1]}
GIVE: Operation = {"sql": "update purchase set amount = amount + 1 where id = $1", "params": [2]}
SUM: Operation = {"sql": "select count(*) from purchase"}
FAIL: Operation = {"sql": "insert into customer values ($1, 'again')", "params": [1]}


@pytest.fixture
async def context(shop: str) -> AsyncGenerator[Context]:
    async with asking(shop) as context:
        yield context


async def amounts(admin: asyncpg.Connection) -> Sequence[str]:
    rows = await admin.fetch("select amount::text from purchase where id in (1, 2) order by id")
    return [row["amount"] for row in rows]


BEFORE = ["1.25", "2.50"]
AFTER = ["0.25", "3.50"]


async def test_all_operations_are_done_and_each_has_its_result(
    context: Context, admin: asyncpg.Connection
) -> None:
    answer = await transaction(context, operations=[TAKE, GIVE, SUM], autocommit=True)
    assert answer == {
        "results": [
            {
                "command": "UPDATE",
                "rows_affected": 1,
                "columns": [{"name": "id", "type": "int8"}],
                "rows": [[1]],
            },
            {"command": "UPDATE", "rows_affected": 1, "columns": [], "rows": []},
            {
                "command": "SELECT",
                "rows_affected": 1,
                "columns": [{"name": "count", "type": "int8"}],
                "rows": [[1000]],
            },
        ]
    }
    assert TypeAdapter(TransactionAnswer).validate_python(answer) == answer
    assert await amounts(admin) == AFTER


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_if_one_fails_none_is_done_and_it_says_which(
    context: Context, admin: asyncpg.Connection, at: int
) -> None:
    operations = [TAKE, GIVE]
    operations.insert(at, FAIL)
    with pytest.raises(StatementFailed) as failure:
        await transaction(context, operations=operations, autocommit=True)
    assert failure.value.operation == at
    assert str(failure.value).startswith(f"operation {at}: duplicate key value")
    assert failure.value.message == str(failure.value)
    assert failure.value.detail == "Key (id)=(1) already exists."
    assert await amounts(admin) == BEFORE


async def test_what_fails_at_commit_is_no_operations_fault(
    context: Context, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "alter table purchase alter constraint purchase_customer_id_fkey deferrable initially deferred"
    )
    operations: list[Operation] = [TAKE, {"sql": "delete from customer where id = 1"}]
    with pytest.raises(StatementFailed) as failure:
        await transaction(context, operations=operations, autocommit=True)
    assert (failure.value.sqlstate, failure.value.operation) == ("23503", None)
    assert await amounts(admin) == BEFORE


@pytest.mark.parametrize(
    "sql", ["commit", "select 1; select 2", "copy customer to stdout", "vacuum customer", "selec 1", ""]
)
async def test_what_cannot_be_an_operation_is_refused_before_any_is_run(
    context: Context, admin: asyncpg.Connection, sql: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await transaction(context, operations=[TAKE, {"sql": sql}], autocommit=True)
    assert refusal.value.operation == 1
    assert refusal.value.message.startswith("operation 1: ")
    assert await amounts(admin) == BEFORE


async def test_a_param_of_the_wrong_type_says_in_which_operation(
    context: Context, admin: asyncpg.Connection
) -> None:
    wrong: Operation = {"sql": "delete from purchase where id = $1", "params": ["many"]}
    with pytest.raises(ColdQueryError, match="operation 1: ") as failure:
        await transaction(context, operations=[TAKE, wrong], autocommit=True)
    assert failure.value.operation == 1
    assert await amounts(admin) == BEFORE


@pytest.mark.parametrize("count", [1, 100])
async def test_there_may_be_up_to_a_hundred_operations(context: Context, count: int) -> None:
    answer = await transaction(context, operations=[SUM] * count, autocommit=True)
    assert len(answer["results"]) == count


@pytest.mark.parametrize("count", [0, 101])
async def test_none_or_more_than_a_hundred_operations_are_refused(context: Context, count: int) -> None:
    with pytest.raises(Refused, match="1 to 100"):
        await transaction(context, operations=[SUM] * count, autocommit=True)


async def test_a_transaction_says_where_it_is_to_be_done(context: Context) -> None:
    with pytest.raises(Refused, match=r"autocommit: true.*session_id"):
        await transaction(context, operations=[SUM])


async def test_a_caller_without_the_scope_writes_nothing(context: Context, admin: asyncpg.Connection) -> None:
    with pytest.raises(NotAllowed):
        await transaction(as_reader(context), operations=[TAKE], autocommit=True)
    assert await amounts(admin) == BEFORE


async def test_in_a_session_it_is_kept_with_the_session(context: Context, admin: asyncpg.Connection) -> None:
    session_id = (await begin(context))["session_id"]
    await transaction(context, operations=[TAKE, GIVE], session_id=session_id)
    assert await amounts(admin) == BEFORE
    await commit(context, session_id=session_id)
    assert await amounts(admin) == AFTER


async def test_in_a_session_a_failure_undoes_its_operations_only(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await transaction(context, operations=[TAKE, GIVE], session_id=session_id)
    with pytest.raises(StatementFailed) as failure:
        await transaction(context, operations=[TAKE, FAIL, GIVE], session_id=session_id)
    assert failure.value.operation == 1
    assert [session["state"] for session in (await list_sessions(context))["sessions"]] == [
        "idle in transaction"
    ]
    await commit(context, session_id=session_id)
    assert await amounts(admin) == AFTER


async def test_in_a_session_a_result_that_cannot_be_told_undoes_its_operations_only(
    context: Context, admin: asyncpg.Connection
) -> None:
    untold: Operation = {"sql": "delete from purchase where id = 3 returning row('1'::money)"}
    session_id = (await begin(context))["session_id"]
    await transaction(context, operations=[TAKE, GIVE], session_id=session_id)
    with pytest.raises(Refused, match="operation 1: "):
        await transaction(context, operations=[GIVE, untold], session_id=session_id)
    await commit(context, session_id=session_id)
    assert await amounts(admin) == AFTER


async def test_in_a_session_what_takes_too_long_is_not_kept_either(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    with pytest.raises(TimedOut):
        await transaction(
            context,
            operations=[TAKE, {"sql": "select pg_sleep(60)"}],
            session_id=session_id,
            timeout_ms=50,
        )
    # Whether the transaction goes on depends on who ended it, PostgreSQL or this server.
    with suppress(ColdQueryError):
        await commit(context, session_id=session_id)
    assert await amounts(admin) == BEFORE


async def test_if_all_together_take_too_long_it_says_what_was_at_work(
    shop: str, admin: asyncpg.Connection, skip_ahead: Callable[[float], None]
) -> None:
    hours = Limits(timeout_ms=4 * 3600 * 1000, wait_seconds=20)
    await admin.execute("begin; lock table customer")
    async with asking(shop, hours) as context:
        work = asyncio.ensure_future(transaction(context, operations=[TAKE, FAIL, GIVE], autocommit=True))
        await until_somebody_waits(admin)
        skip_ahead(5 * 3600)
        async with asyncio.timeout(30):
            with pytest.raises(TimedOut, match="operation 1: It took longer") as failure:
                await work
    assert failure.value.operation == 1
    assert await amounts(admin) == BEFORE


async def test_a_table_may_be_altered_by_an_operation_while_a_read_of_it_has_more(context: Context) -> None:
    await read(context, sql="select id from customer", max_rows=1)
    operations: list[Operation] = [TAKE, {"sql": "alter table customer add more int"}]
    assert len((await transaction(context, operations=operations, autocommit=True))["results"]) == 2


async def test_in_a_session_what_is_cancelled_is_not_kept_either(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    async with admin.transaction():
        await admin.execute("lock table customer")
        call = asyncio.create_task(transaction(context, operations=[TAKE, FAIL], session_id=session_id))
        await until_somebody_waits(admin)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    with pytest.raises(ColdQueryError):
        await commit(context, session_id=session_id)
    assert await amounts(admin) == BEFORE


async def test_in_a_failed_session_nothing_is_done(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    with pytest.raises(StatementFailed):
        await write(context, sql="select 1 / 0", session_id=session_id)
    with pytest.raises(StatementFailed) as failure:
        await transaction(context, operations=[TAKE], session_id=session_id)
    assert (failure.value.sqlstate, failure.value.operation) == ("25P02", None)


@pytest.mark.parametrize(("max_rows", "shown"), [(5, [3, 2, 0]), (6, [3, 3, 0]), (9, [3, 3, 3])])
async def test_the_rows_of_all_results_together_are_those_of_one_answer(
    shop: str, max_rows: int, shown: list[int]
) -> None:
    async with asking(shop, Limits(max_rows=max_rows, wait_seconds=20)) as context:
        three: Operation = {"sql": "select generate_series(1, 3)"}
        answer = await transaction(context, operations=[three] * 3, autocommit=True)
        assert [len(result["rows"]) for result in answer["results"]] == shown
        assert [result.get("truncated", False) for result in answer["results"]] == [
            rows < 3 for rows in shown
        ]
        assert [result["rows_affected"] for result in answer["results"]] == [3, 3, 3]


async def test_what_one_operation_makes_the_next_can_use(context: Context) -> None:
    operations: list[Operation] = [
        {"sql": "create type mood as enum ('sad', 'happy')"},
        {"sql": "create table feeling (mood mood)"},
        {"sql": "insert into feeling values ($1) returning mood", "params": ["happy"]},
    ]
    answer = await transaction(context, operations=operations, autocommit=True)
    assert answer["results"][2]["rows"] == [["happy"]]
    assert (await read(context, sql="select * from feeling"))["rows"] == [["happy"]]


async def test_the_audit_log_is_told_of_each_operation_when_all_are_done(context: Context) -> None:
    await transaction(context, operations=[TAKE, SUM], autocommit=True)
    assert audit_of(context).written == [
        ("writer", None, TAKE["sql"], 1),
        ("writer", None, SUM["sql"], 1),
    ]


async def test_the_audit_log_is_told_that_all_failed_when_one_did(context: Context) -> None:
    with pytest.raises(StatementFailed):
        await transaction(context, operations=[TAKE, FAIL], autocommit=True)
    reason = 'operation 1: duplicate key value violates unique constraint "customer_pkey"'
    assert audit_of(context).written == []
    assert audit_of(context).failures == [
        ("writer", None, TAKE["sql"], reason),
        ("writer", None, FAIL["sql"], reason),
    ]


@pytest.mark.parametrize(
    "operation", [{}, {"params": [1]}, {"sql": "select 1", "session_id": "x"}, {"sql": 1}]
)
def test_an_operation_has_a_statement_and_perhaps_params(operation: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Operation).validate_python(operation)
