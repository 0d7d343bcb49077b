"""pg_query explain on a real database."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of
from pydantic import TypeAdapter

from coldquery.actions.context import Context
from coldquery.actions.query.answers import ExplainAnswer
from coldquery.actions.query.explain import explain
from coldquery.actions.query.read import read
from coldquery.actions.query.write import write
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import rollback
from coldquery.errors import NotAllowed, Refused, StatementFailed, TimedOut

DELETE = "delete from purchase where id = 1"


@pytest.fixture
async def context(common_shop: str) -> AsyncGenerator[Context]:
    async with asking(common_shop) as context:
        yield context


@pytest.fixture
async def onlooker(common_shop: str) -> AsyncGenerator[asyncpg.Connection]:
    """A bare connection to the same."""
    connection = await asyncpg.connect(common_shop)
    yield connection
    await connection.close()


@pytest.fixture
async def own(shop: str) -> AsyncGenerator[Context]:
    """For what leaves something behind."""
    async with asking(shop) as context:
        yield context


async def purchases(admin: asyncpg.Connection) -> int | None:
    return await admin.fetchval("select count(*) from purchase")


async def test_a_plan_is_json_with_the_time_that_planning_took(context: Context) -> None:
    answer = await explain(context, sql="select * from purchase")
    assert answer["plan"][0]["Plan"]["Relation Name"] == "purchase"
    assert answer["planning_ms"] is not None
    assert answer["execution_ms"] is None
    assert TypeAdapter(ExplainAnswer).validate_python(answer) == answer


async def test_with_analyze_it_is_run_and_measured(context: Context) -> None:
    answer = await explain(context, sql="select * from purchase", analyze=True)
    plan = answer["plan"][0]["Plan"]
    assert plan["Actual Rows"] == 1000
    assert "Shared Hit Blocks" in plan
    assert answer["execution_ms"] is not None


async def test_params_are_planned_with(context: Context) -> None:
    answer = await explain(context, sql="select * from customer where id = $1", params=[7])
    assert "(id = 7)" in str(answer["plan"])


async def test_params_are_run_with(context: Context) -> None:
    sql = "select * from purchase where id <= $1"
    answer = await explain(context, sql=sql, params=["7"], analyze=True)
    assert answer["plan"][0]["Plan"]["Actual Rows"] == 7


@pytest.mark.parametrize("analyze", [False, True])
async def test_it_needs_its_params(context: Context, analyze: bool) -> None:
    with pytest.raises(Refused):
        await explain(context, sql="select * from customer where id = $1", analyze=analyze)


@pytest.mark.parametrize(
    "sql",
    [
        "insert into customer values (1000, 'x')",
        "update customer set name = 'x'",
        DELETE,
        "merge into customer c using (values (1)) v (id) on c.id = v.id when matched then delete",
        "with gone as (delete from purchase returning 1) select * from gone",
        "values (1)",
        "table customer",
        "(select 1);",
        "/* why */ select 1 -- so",
    ],
)
async def test_what_has_a_plan_is_explained_without_being_run(
    context: Context, onlooker: asyncpg.Connection, sql: str
) -> None:
    answer = await explain(as_reader(context), sql=sql)
    assert "Plan" in answer["plan"][0]
    assert (await purchases(onlooker), await onlooker.fetchval("select count(*) from customer")) == (
        1000,
        100,
    )


@pytest.mark.parametrize(
    "sql", ["explain select 1", "explain (analyze) delete from purchase", "EXPLAIN ANALYZE select 1"]
)
@pytest.mark.parametrize("analyze", [False, True])
async def test_an_explain_is_refused_with_what_to_give_instead(
    context: Context, sql: str, analyze: bool
) -> None:
    with pytest.raises(Refused, match="give the statement alone, and analyze: true"):
        await explain(context, sql=sql, analyze=analyze, autocommit=analyze)


@pytest.mark.parametrize(
    "sql", ["create table t ()", "vacuum", "commit", "show work_mem", "do $$ begin end $$"]
)
async def test_what_has_no_plan_is_refused(context: Context, sql: str) -> None:
    with pytest.raises(Refused, match="no plan"):
        await explain(context, sql=sql)


@pytest.mark.parametrize(
    "sql",
    ["select 1; delete from purchase", "(analyze) delete from purchase", "analyze delete from purchase"],
)
async def test_nothing_is_smuggled_in_behind_the_explain(
    context: Context, onlooker: asyncpg.Connection, sql: str
) -> None:
    with pytest.raises(Refused):
        await explain(context, sql=sql)
    assert await purchases(onlooker) == 1000


async def test_a_position_is_counted_in_the_statement_that_was_given(context: Context) -> None:
    with pytest.raises(StatementFailed) as failure:
        await explain(context, sql="select nme from customer")
    assert failure.value.position == 8
    with pytest.raises(StatementFailed) as analyzed:
        await explain(context, sql="delete from custmer", analyze=True, autocommit=True)
    assert analyzed.value.position == 13
    with pytest.raises(Refused) as refusal:
        await explain(context, sql="select from where")
    assert refusal.value.position == 13


@pytest.mark.parametrize(
    "sql", [DELETE, "with gone as (delete from purchase returning 1) select * from gone"]
)
async def test_to_run_what_writes_is_a_write(
    context: Context, onlooker: asyncpg.Connection, sql: str
) -> None:
    with pytest.raises(Refused, match=r"autocommit: true.*session_id"):
        await explain(context, sql=sql, analyze=True)
    with pytest.raises(NotAllowed):
        await explain(as_reader(context), sql=sql, analyze=True, autocommit=True)
    assert await purchases(onlooker) == 1000


async def test_with_autocommit_what_writes_is_run_and_kept(own: Context, admin: asyncpg.Connection) -> None:
    answer = await explain(own, sql=DELETE, analyze=True, autocommit=True)
    assert answer["plan"][0]["Plan"]["Operation"] == "Delete"
    assert answer["execution_ms"] is not None
    assert await purchases(admin) == 999
    assert audit_of(own).written == [("writer", None, DELETE, None)]


async def test_in_a_session_what_writes_can_be_run_and_rolled_back(
    context: Context, onlooker: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await explain(context, sql=DELETE, analyze=True, session_id=session_id)
    counted = await read(context, sql="select count(*) from purchase", session_id=session_id)
    assert counted["rows"] == [[999]]
    await rollback(context, session_id=session_id)
    assert await purchases(onlooker) == 1000
    assert audit_of(context).written[0] == ("writer", session_id, DELETE, None)


async def test_a_function_that_writes_is_run_by_a_write_only(own: Context, admin: asyncpg.Connection) -> None:
    bumped = "select count(*) from customer where name = 'bumped'"
    with pytest.raises(Refused):
        await explain(own, sql="select bump()", analyze=True)
    assert await admin.fetchval(bumped) == 0
    await explain(own, sql="select bump()", analyze=True, autocommit=True)
    assert await admin.fetchval(bumped) == 100


async def test_a_plan_in_a_session_knows_what_the_session_made(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql="create table fresh (id int)", session_id=session_id)
    answer = await explain(context, sql="select * from fresh", session_id=session_id)
    assert answer["plan"][0]["Plan"]["Relation Name"] == "fresh"


async def test_what_takes_too_long_is_cancelled(context: Context) -> None:
    with pytest.raises(TimedOut):
        await explain(context, sql="select pg_sleep(60)", analyze=True, timeout_ms=5)
    with pytest.raises(Refused):
        await explain(context, sql="select 1", timeout_ms=0)


async def test_a_param_that_the_driver_cannot_exchange_is_refused_with_what_helps(context: Context) -> None:
    await write(context, sql="create type kept as (at money)", autocommit=True)
    with pytest.raises(Refused, match="cannot be exchanged"):
        await explain(context, sql="select $1::kept", params=[{"at": "1"}])


async def test_a_failed_run_is_told_to_the_audit_log(context: Context) -> None:
    with pytest.raises(StatementFailed):
        await explain(context, sql="insert into customer values (1, 'again')", analyze=True, autocommit=True)
    assert [failure[2] for failure in audit_of(context).failures] == [
        "insert into customer values (1, 'again')"
    ]
    assert audit_of(context).written == []


@pytest.mark.parametrize(("levels", "fits"), [(40, True), (60, False)])
async def test_a_plan_that_is_nested_too_deeply_for_json_is_to_be_read_as_text(
    context: Context, levels: int, fits: bool
) -> None:
    sql = "select * from customer"
    for level in range(levels):
        sql = f"select * from ({sql}) a limit {10_000 - level}"
    if fits:
        assert (await explain(context, sql=sql))["plan"][0]["Plan"]["Node Type"] == "Limit"
        return
    with pytest.raises(Refused, match="too deeply") as refusal:
        await explain(context, sql=sql)
    assert "action read" in str(refusal.value.hint)
    assert (await read(context, sql=f"explain {sql}"))["row_count"] > levels
