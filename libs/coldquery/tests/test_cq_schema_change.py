"""pg_schema create, alter and drop."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of
from cq_names import NAMES
from cq_shapes import shaped
from hypothesis import HealthCheck, given, settings

from coldquery.actions.admin.maintenance import analyze
from coldquery.actions.admin.settings import settings as run_settings
from coldquery.actions.admin.stats import stats
from coldquery.actions.changing import executed
from coldquery.actions.context import Context
from coldquery.actions.schema.change import alter, create, drop
from coldquery.actions.schema.describe import describe
from coldquery.actions.schema.list_objects import list_objects
from coldquery.connections.timeout import Timeout
from coldquery.errors import NotAllowed, Refused, StatementFailed
from coldquery.limits import Limits
from coldquery.statements.identifiers import quoted


async def exists(admin: asyncpg.Connection, name: str) -> bool:
    return bool(await admin.fetchval("select to_regclass($1) is not null", name))


async def begun(context: Context) -> str:
    session = await context.connections.sessions.begin(context.caller, read_only=False)
    return session.session_id


async def test_create_and_alter_do_what_the_statement_says(shop: str, admin: asyncpg.Connection) -> None:
    async with asking(shop) as context:
        made = shaped(create, await create(context, sql="create table fresh (id int)", autocommit=True))
        changed = await alter(context, sql="alter table fresh add column name text", autocommit=True)
        written = audit_of(context).written
    assert made == {"command": "CREATE TABLE", "skipped": False, "messages": []}
    assert changed["command"] == "ALTER TABLE"
    assert await admin.fetch("select id, name from fresh") == []
    assert [statement for _, _, statement, _ in written] == [
        "create table fresh (id int)",
        "alter table fresh add column name text",
    ]


@pytest.mark.parametrize(
    ("action", "sql"),
    [
        (create, "drop table customer"),
        (create, "alter table customer add x int"),
        (create, "select 1"),
        (create, "select * into y from customer"),
        (alter, "create table y (id int)"),
        (alter, "alter system set work_mem = '1MB'"),
        (alter, "alter table customer add x int; drop table purchase"),
        (create, "create table y (id int); drop table purchase"),
    ],
)
async def test_another_statement_is_refused(
    shop: str, admin: asyncpg.Connection, action: Callable[..., Awaitable[Any]], sql: str
) -> None:
    async with asking(shop) as context:
        with pytest.raises(Refused):
            await action(context, sql=sql, autocommit=True)
    assert not await exists(admin, "y")
    assert await exists(admin, "purchase")


DOES = [
    (create, {"sql": "create table y (id int)"}),
    (alter, {"sql": "alter table customer rename to y"}),
    (drop, {"target": "table", "name": "customer", "cascade": True}),
]


@pytest.mark.parametrize(("action", "asked"), DOES)
async def test_a_change_needs_a_session_or_autocommit_and_the_scope_write(
    shop: str, admin: asyncpg.Connection, action: Callable[..., Awaitable[Any]], asked: Mapping[str, Any]
) -> None:
    async with asking(shop) as context:
        with pytest.raises(Refused, match="autocommit"):
            await action(context, **asked)
        with pytest.raises(NotAllowed):
            await action(as_reader(context), **asked, autocommit=True)
        assert len(audit_of(context).failures) == 2
    assert await exists(admin, "customer")
    assert not await exists(admin, "y")


@pytest.mark.parametrize(("action", "asked"), DOES)
async def test_a_change_in_a_session_is_seen_by_others_once_it_is_committed(
    shop: str, admin: asyncpg.Connection, action: Callable[..., Awaitable[Any]], asked: Mapping[str, Any]
) -> None:
    async with asking(shop) as context:
        session = await begun(context)
        assert (await action(context, **asked, session_id=session))["skipped"] is False

        # By the catalogue; to look at the table itself would wait for the lock.
        names = "select array_agg(relname::text) from pg_class where relname in ('customer', 'y')"
        before = await admin.fetchval(names)
        await context.connections.sessions.commit(
            context.caller, session, Timeout.asked(None, context.limits)
        )
    assert before == ["customer"]
    assert await admin.fetchval(names) != ["customer"]


@pytest.mark.parametrize(
    "sql",
    [
        "create table customer (x int)",
        "create index purchase_of on purchase (amount)",
        "create view spending as select 1",
        "create sequence ticket",
        "create schema public",
        "create extension plpgsql",
        "create function bump() returns int language sql as 'select 1'",
        "create table customer as select 1",
    ],
)
@pytest.mark.parametrize("in_session", [True, False])
async def test_what_is_there_already_is_skipped_if_asked_and_the_session_goes_on(
    shop: str, sql: str, in_session: bool
) -> None:
    async with asking(shop) as context:
        session = await begun(context) if in_session else None
        where: Any = {"session_id": session, "autocommit": not in_session}
        with pytest.raises(StatementFailed) as failed:
            await create(context, sql=sql, **where)
        skipped = shaped(create, await create(context, sql=sql, if_not_exists=True, **where))
        fresh = await create(context, sql="create table fresh (id int)", if_not_exists=True, **where)
    assert failed.value.sqlstate in {"42P07", "42P06", "42710", "42723"}
    assert (skipped["command"], skipped["skipped"]) == (None, True)
    assert "already exists" in skipped["messages"][0]
    assert fresh["skipped"] is False


async def test_if_not_exists_of_sql_itself_is_told_as_skipped_too(shop: str) -> None:
    async with asking(shop) as context:
        told = await create(context, sql="create table if not exists customer (x int)", autocommit=True)
    assert told["command"] == "CREATE TABLE"
    assert told["skipped"] is True


async def test_a_part_that_is_there_already_is_an_error_even_so(shop: str, admin: asyncpg.Connection) -> None:
    async with asking(shop) as context:
        with pytest.raises(StatementFailed, match="purchase_of"):
            await create(
                context,
                sql="create table fresh (id int, constraint purchase_of primary key (id))",
                if_not_exists=True,
                autocommit=True,
            )
    assert not await exists(admin, "fresh")


async def test_what_cannot_run_in_a_transaction_runs_with_autocommit_only(
    shop: str, admin: asyncpg.Connection
) -> None:
    sql = "create index concurrently soon on purchase (amount)"
    async with asking(shop) as context:
        session = await begun(context)
        with pytest.raises(Refused, match="cannot run in a transaction"):
            await create(context, sql=sql, session_id=session)
        assert not await exists(admin, "soon")
        assert (await create(context, sql=sql, autocommit=True))["skipped"] is False
        assert (await create(context, sql=sql, autocommit=True, if_not_exists=True))["skipped"] is True
    assert await exists(admin, "soon")


@pytest.mark.parametrize(
    ("target", "name", "made"),
    [
        ("table", "a.b", 'create table "a.b" (x int)'),
        ("view", "spending", "select 1"),
        ("materialized view", "seen", "create materialized view seen as select 1"),
        ("Materialized  View", "seen", "create materialized view seen as select 1"),
        ("index", "purchase_of", "select 1"),
        ("sequence", "ticket", "select 1"),
        ("schema", "s", "create schema s"),
        ("function", "bump", "select 1"),
        ("procedure", "tidy", "create procedure tidy() language sql as 'select 1'"),
        ("type", "mood", "create type mood as enum ('glad')"),
        ("domain", "small", "create domain small as int"),
        ("extension", "plpgsql", "drop function bump()"),
    ],
)
async def test_each_target_is_dropped_by_its_name(
    shop: str, admin: asyncpg.Connection, target: str, name: str, made: str
) -> None:
    await admin.execute(made)
    async with asking(shop) as context:
        dropped = shaped(drop, await drop(context, target=target, name=name, autocommit=True))
        again = await drop(context, target=target, name=name, autocommit=True, if_exists=True)
        with pytest.raises(StatementFailed):
            await drop(context, target=target, name=name, autocommit=True)
    assert dropped == {
        "command": f"DROP {' '.join(target.upper().split())}",
        "skipped": False,
        "messages": [],
    }
    assert again["skipped"] is True


async def test_what_others_depend_on_is_dropped_only_with_cascade_which_tells_what_went(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with asking(shop) as context:
        with pytest.raises(StatementFailed) as failed:
            await drop(context, target="table", name="purchase", autocommit=True)
        assert await exists(admin, "purchase")
        dropped = await drop(context, target="table", name="purchase", cascade=True, autocommit=True)
    assert failed.value.sqlstate == "2BP01"
    assert "spending" in dropped["messages"][0]
    assert not await exists(admin, "spending")


async def test_a_drop_that_fails_in_a_session_leaves_its_transaction_as_it_was(shop: str) -> None:
    async with asking(shop) as context:
        session = await begun(context)
        await create(context, sql="create table fresh (id int)", session_id=session)
        with pytest.raises(StatementFailed):
            await drop(context, target="table", name="nothing", session_id=session)
        again = await drop(context, target="table", name="nothing", if_exists=True, session_id=session)
        dropped = await drop(context, target="table", name="fresh", session_id=session)
    assert (again["skipped"], dropped["skipped"]) == (True, False)


@pytest.mark.parametrize(
    "asked",
    [
        {"target": "database", "name": "postgres"},
        {"target": "table; drop table purchase --", "name": "x"},
        {"target": "schema", "name": "public", "schema": "public"},
        {"target": "table", "name": ""},
        {"target": "table", "name": "a" * 64},
        {"target": "table", "name": "customer\0"},
    ],
)
async def test_a_drop_of_what_has_no_such_name_is_refused(
    shop_to_read: str, asked: Mapping[str, Any]
) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused):
            await drop(context, **asked, autocommit=True)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
async def test_the_table_of_exactly_that_name_is_dropped_and_no_other(
    shop: str, admin: asyncpg.Connection, name: str
) -> None:
    tables = (
        "select array_agg(relname::text order by relname) from pg_class where relkind = 'r' and "
        "relnamespace = 'public'::regnamespace"
    )
    before = await admin.fetchval(tables)
    async with asking(shop) as context:
        await create(context, sql=f"create table {quoted('public', name)} (x int)", autocommit=True)
        await drop(context, target="table", name=name, schema="public", autocommit=True)
    assert await admin.fetchval(tables) == before


async def test_who_has_little_time_left_in_a_session_is_told_so_by_each_action(shop: str) -> None:
    async with asking(shop, Limits(session_seconds=299)) as context:
        session = await begun(context)
        answers = [
            await create(context, sql="create table fresh (id int)", session_id=session),
            await list_objects(context, session_id=session),
            await describe(context, name="fresh", session_id=session),
            await analyze(context, table="fresh", session_id=session),
            await stats(context, table="fresh", session_id=session),
            await run_settings(context, setting_name="work_mem", session_id=session),
            await run_settings(context, setting_name="work_mem", setting_value="1MB", session_id=session),
            await drop(context, target="table", name="fresh", session_id=session),
        ]
    assert all("commit or roll back soon" in answer.get("hint", "") for answer in answers)
    async with asking(shop, Limits(session_seconds=301)) as context:
        assert "hint" not in await list_objects(context, session_id=await begun(context))


@pytest.mark.parametrize(("said", "shown"), [(200, 200), (201, 201), (500, 201)])
async def test_no_more_than_200_messages_of_a_command_are_shown_and_it_is_told(
    admin: asyncpg.Connection, said: int, shown: int
) -> None:
    loop = f"do $$ begin for i in 1..{said} loop raise notice 'message %', i; end loop; end $$"
    _, told = await executed(admin, loop)
    assert len(told.messages) == shown
    assert told.messages[199] == "message 200"
    assert (told.messages[-1] == "There were more messages, which are not shown.") == (said > 200)
