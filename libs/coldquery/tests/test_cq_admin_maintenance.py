"""pg_admin vacuum, analyze and reindex."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of
from cq_names import NAMES
from cq_shapes import shaped
from hypothesis import HealthCheck, given, settings

from coldquery.actions.admin.maintenance import analyze, reindex, vacuum
from coldquery.actions.admin.stats import stats
from coldquery.actions.context import Context
from coldquery.connections.timeout import Timeout
from coldquery.errors import NotAllowed, Refused
from coldquery.statements.identifiers import quoted

Action = Callable[..., Awaitable[Any]]


async def begun(context: Context) -> str:
    session = await context.connections.sessions.begin(context.caller, read_only=False)
    return session.session_id


async def test_vacuum_takes_the_dead_rows_of_a_table(shop: str, admin: asyncpg.Connection) -> None:
    await admin.execute("delete from purchase")
    async with asking(shop) as context:
        told = shaped(vacuum, await vacuum(context, table="purchase", autocommit=True))
        assert audit_of(context).written[0][2] == 'VACUUM "public"."purchase"'
    assert told == {"command": "VACUUM", "table": '"public"."purchase"', "messages": []}
    assert await admin.fetchval("select pg_relation_size('purchase')") == 0


async def test_a_full_vacuum_writes_the_table_anew(shop: str, admin: asyncpg.Connection) -> None:
    node = "select pg_relation_filenode('purchase')"
    before = await admin.fetchval(node)
    async with asking(shop) as context:
        await vacuum(context, table="purchase", autocommit=True)
        plain = await admin.fetchval(node)
        await vacuum(context, table="purchase", full=True, autocommit=True)
    assert plain == before
    assert await admin.fetchval(node) != before


@pytest.mark.parametrize("action", [vacuum, analyze, reindex])
@pytest.mark.parametrize("table", ["purchase", None])
async def test_verbose_tells_what_postgresql_did(shop: str, action: Action, table: str | None) -> None:
    async with asking(shop) as context:
        quiet = shaped(action, await action(context, table=table, autocommit=True))
        verbose = shaped(action, await action(context, table=table, verbose=True, autocommit=True))
    assert quiet["messages"] == []
    assert any("purchase" in message for message in verbose["messages"])
    assert quiet["table"] == ('"public"."purchase"' if table else None)
    assert len(verbose["messages"]) <= 201


async def test_analyze_makes_the_planners_estimate_anew_also_in_a_session(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("create table fresh as select generate_series(1, 77)")
    async with asking(shop) as context:
        session = await begun(context)
        told = await analyze(context, table="fresh", session_id=session)
        assert await admin.fetchval("select reltuples from pg_class where relname = 'fresh'") in (-1, 77)
        inside = await stats(context, table="fresh", session_id=session)
    assert told["command"] == "ANALYZE"
    assert inside["tables"][0]["row_estimate"] == 77


@pytest.mark.parametrize("named", ["purchase", "purchase_of"])
async def test_reindex_builds_the_indexes_of_a_table_or_one_index_anew(
    shop: str, admin: asyncpg.Connection, named: str
) -> None:
    node = "select pg_relation_filenode('purchase_of')"
    before = await admin.fetchval(node)
    async with asking(shop) as context:
        session = await begun(context)
        told = shaped(reindex, await reindex(context, table=named, session_id=session))
        assert told["command"] == "REINDEX"
        await reindex(context, table="customer", autocommit=True)
        assert await admin.fetchval(node) == before
        await context.connections.sessions.rollback(
            context.caller, session, Timeout.asked(None, context.limits)
        )
        await reindex(context, table=named, autocommit=True)
    assert await admin.fetchval(node) != before


async def test_a_partitioned_table_is_reindexed_with_autocommit_only(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("""
        create table measured (at date primary key) partition by range (at);
        create table measured_2026 partition of measured for values from ('2026-01-01') to ('2027-01-01')
    """)
    async with asking(shop) as context:
        session = await begun(context)
        with pytest.raises(Refused, match="cannot run in a transaction"):
            await reindex(context, table="measured", session_id=session)
        assert (await reindex(context, table="measured", autocommit=True))["command"] == "REINDEX"


async def test_vacuum_is_refused_in_a_session(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        session = await begun(context)
        with pytest.raises(Refused, match="session is one") as refused:
            await vacuum(context, table="purchase", session_id=session)
    assert "autocommit: true" in (refused.value.hint or "")


@pytest.mark.parametrize("action", [vacuum, analyze, reindex])
async def test_maintenance_needs_autocommit_and_the_scope_write(shop_to_read: str, action: Action) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused, match="autocommit"):
            await action(context, table="purchase")
        with pytest.raises(NotAllowed):
            await action(as_reader(context), table="purchase", autocommit=True)
        assert len(audit_of(context).failures) == 2
        assert audit_of(context).written == []


@pytest.mark.parametrize(
    ("table", "meant"),
    [
        ("purchase", '"public"."purchase"'),
        ("public.purchase", '"public"."purchase"'),
        ('"public"."purchase"', '"public"."purchase"'),
        ('"purchase"', '"public"."purchase"'),
        ("A.b.C", '"public"."A.b.C"'),
        ('"A.b.C"', '"public"."A.b.C"'),
        ("public.A.b.C", '"public"."A.b.C"'),
        ("other.far", '"other"."far"'),
        ("twice", '"public"."twice"'),
        ("other.twice", '"other"."twice"'),
    ],
)
async def test_a_table_is_named_as_it_is_stored_or_quoted(
    shop: str, admin: asyncpg.Connection, table: str, meant: str
) -> None:
    await admin.execute(
        'create schema other; create table other.far (x int); create table "A.b.C" (x int); '
        "create table twice (x int); create table other.twice (x int)"
    )
    async with asking(shop) as context:
        assert (await analyze(context, table=table, autocommit=True))["table"] == meant


async def test_what_can_mean_two_tables_is_refused_with_both(shop: str, admin: asyncpg.Connection) -> None:
    await admin.execute(
        'create schema other; create table other.far (x int); create table "other.far" (x int)'
    )
    async with asking(shop) as context:
        with pytest.raises(Refused) as refused:
            await analyze(context, table="other.far", autocommit=True)
        told = await analyze(context, table='"other.far"', autocommit=True)
    assert refused.value.message == '\'other.far\' can mean "other"."far" or "public"."other.far".'
    assert told["table"] == '"public"."other.far"'


@pytest.mark.parametrize(
    "table", ["nothing", "Purchase", "public", "other.purchase", "", "purchase; drop table customer"]
)
@pytest.mark.parametrize("action", [vacuum, analyze, reindex])
async def test_a_table_that_is_not_there_is_refused(shop_to_read: str, action: Action, table: str) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused, match="There is no table"):
            await action(context, table=table, autocommit=True)


@pytest.mark.parametrize("action", [vacuum, analyze])
async def test_an_index_is_no_table(shop_to_read: str, action: Action) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused, match="is an index"):
            await action(context, table="purchase_of", autocommit=True)


@pytest.mark.parametrize("action", [vacuum, analyze])
async def test_what_postgresql_would_only_warn_about_and_not_do_is_refused(
    shop: str, admin: asyncpg.Connection, action: Action
) -> None:
    role = f"upkeep_{await admin.fetchval('select current_database()')}"
    await admin.execute(f'create role "{role}" login password \'x\'; alter table customer owner to "{role}"')
    try:
        async with asking(_as(shop, role)) as context:
            with pytest.raises(Refused, match="may not"):
                await action(context, table="purchase", autocommit=True)
            await action(context, table="customer", autocommit=True)
            database = await action(context, autocommit=True)
    finally:
        await admin.execute(f'reassign owned by "{role}" to current_user; drop role "{role}"')
    assert any(message.startswith("warning: permission denied") for message in database["messages"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
async def test_any_name_that_postgresql_takes_is_maintained_by_its_quoted_name(
    shop: str, admin: asyncpg.Connection, name: str
) -> None:
    table = quoted("public", name)
    await admin.execute(f"create table {table} (x int)")
    try:
        async with asking(shop) as context:
            assert (await vacuum(context, table=table, autocommit=True))["table"] == table
            assert (await analyze(context, table=name, autocommit=True))["table"] == table
    finally:
        await admin.execute(f"drop table {table}")


def _as(url: str, role: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}").geturl()


async def test_stats_tell_what_was_counted_of_a_table_and_is_known_of_its_columns(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(
        "insert into purchase (customer_id, amount) values (1, 1); select pg_stat_force_next_flush()"
    )
    async with asking(shop) as context:
        told = shaped(stats, await stats(context, table="public.purchase"))
    (table,) = told["tables"]
    assert (table["schema"], table["name"], table["row_estimate"]) == ("public", "purchase", 1000)
    assert table["inserted"] >= 1
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == ["id", "customer_id", "amount", "tags", "about", "bought_at"]
    assert (columns["id"]["distinct_values"], columns["id"]["correlation"]) == (-1, 1)
    assert columns["customer_id"]["distinct_values"] == 100


async def test_stats_of_all_tables_begin_with_the_largest(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        told = shaped(stats, await stats(context))
    assert [table["name"] for table in told["tables"]] == ["purchase", "customer"]
    assert (told["total"], told["columns"]) == (2, None)


@pytest.mark.parametrize(("table", "words"), [("nothing", "no table"), ("purchase_of", "is an index")])
async def test_stats_of_what_is_no_table_are_refused(shop_to_read: str, table: str, words: str) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused, match=words):
            await stats(context, table=table)


@pytest.mark.parametrize(("more", "shown"), [(198, 200), (199, 200)])
async def test_stats_of_all_tables_are_those_of_200_and_the_number_of_all(
    shop: str, admin: asyncpg.Connection, more: int, shown: int
) -> None:
    await admin.execute(
        f"do $$ begin for i in 1..{more} loop execute format('create table t%s (x int)', i); end loop; end $$"
    )
    async with asking(shop) as context:
        told = await stats(context)
    assert (len(told["tables"]), told["total"]) == (shown, 2 + more)
