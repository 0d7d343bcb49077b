"""pg_monitor activity, connections, locks and slow_queries."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cq_asking import as_reader, asking
from cq_blocking import UPDATE, blocking
from cq_shapes import shaped

from coldquery.actions.monitor.activity import activity, connections
from coldquery.actions.monitor.locks import locks
from coldquery.actions.monitor.size import size
from coldquery.actions.monitor.slow_queries import slow_queries
from coldquery.actions.monitor.upkeep import index_health, vacuum_health
from coldquery.errors import Refused

Action = Callable[..., Awaitable[Any]]
ALL: list[Action] = [activity, connections, locks, size, slow_queries, index_health, vacuum_health]


def database_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@pytest.mark.parametrize("action", ALL)
async def test_each_action_answers_in_its_shape_to_who_may_only_read(
    shop_to_read: str, action: Action
) -> None:
    async with asking(shop_to_read) as context:
        shaped(action, await action(as_reader(context)))


@pytest.mark.parametrize("action", ALL)
async def test_a_limit_is_from_1_to_200(shop_to_read: str, action: Action) -> None:
    async with asking(shop_to_read) as context:
        for limit in (1, 200):
            shaped(action, await action(context, limit=limit))
        for limit in (0, 201):
            with pytest.raises(Refused, match="from 1 to 200"):
                await action(context, limit=limit)


async def test_activity_tells_who_runs_what_who_waits_for_whom_and_not_itself(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with blocking(shop, admin) as pids, asking(shop) as context:
        told = shaped(activity, await activity(context, database=database_of(shop)))
        limited = await activity(context, database=database_of(shop), limit=1)
    backends = {backend["pid"]: backend for backend in told["backends"]}
    assert set(backends) == {pids.holder, pids.waiter}
    assert told["total"] == 2
    holder, waiter = backends[pids.holder], backends[pids.waiter]
    assert (holder["state"], holder["query"]) == ("idle in transaction", f"begin; {UPDATE}")
    assert holder["transaction_seconds"] > 0
    assert holder["query_seconds"] is None
    assert (waiter["state"], waiter["wait_event_type"], waiter["query"]) == ("active", "Lock", UPDATE)
    assert waiter["blocked_by"] == [pids.holder]
    assert waiter["query_seconds"] > 0
    assert [backend["pid"] for backend in limited["backends"]] == [pids.holder]
    assert limited["total"] == 2


async def test_idle_connections_and_other_databases_are_told_if_asked(
    shop: str, admin: asyncpg.Connection
) -> None:
    idle = admin.get_server_pid()
    await admin.execute("select 'said before'")
    async with asking(shop) as context:
        plain = await activity(context)
        with_idle = await activity(context, include_idle=True, limit=200)
        elsewhere = await activity(context, include_idle=True, database="nothing")
    assert idle not in {backend["pid"] for backend in plain["backends"]}
    (found,) = [backend for backend in with_idle["backends"] if backend["pid"] == idle]
    assert (found["state"], found["query"]) == ("idle", "select 'said before'")
    assert elsewhere["backends"] == []
    assert elsewhere["total"] == 0


@pytest.mark.parametrize(
    "sql",
    [
        "alter role nobody_there password 's3cret'",
        "alter role nobody_there PASSWORD\n  's3''cret; and s3cret'",
        "alter role nobody_there password E's3cret' valid until '2026-01-01'",
        "alter role nobody_there password U&'s3cret",
    ],
)
async def test_a_password_that_somebody_sets_is_not_shown(
    shop: str, admin: asyncpg.Connection, sql: str
) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await admin.execute(sql)
    async with asking(shop) as context:
        told = await activity(context, include_idle=True, database=database_of(shop))
    (query,) = [b["query"] for b in told["backends"] if b["pid"] == admin.get_server_pid()]
    assert "***" in (query or "")
    assert "s3" not in (query or "")


async def test_connections_are_counted_by_state_database_role_and_application(
    shop: str, admin: asyncpg.Connection
) -> None:
    database = database_of(shop)
    async with blocking(shop, admin), asking(shop) as context:
        told = shaped(connections, await connections(context, database=database))
        role = await admin.fetchval("select current_user::text")
        one = await connections(context, database=database, limit=1)
    states = {count["name"]: count["count"] for count in told["by_state"]}
    # The administrator is idle; the asker and who waits are active.
    assert states == {"idle": 1, "active": 2, "idle in transaction": 1}
    assert told["by_database"] == [{"name": database, "count": 4}]
    assert told["by_role"] == [{"name": role, "count": 4}]
    assert {"name": "coldquery", "count": 1} in told["by_application"]
    assert 4 <= told["used"] <= told["max"]
    assert one["by_state"] == [{"name": "active", "count": 2}]


async def test_locks_tell_who_waits_for_whom_for_what_and_what_both_run(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with blocking(shop, admin) as pids, asking(shop) as context:
        told = shaped(locks, await locks(context, database=database_of(shop)))
        elsewhere = await locks(context, database="nothing")
    (wait,) = told["waits"]
    assert (wait["pid"], wait["query"], wait["lock"]) == (pids.waiter, UPDATE, "transactionid")
    assert wait["waiting_seconds"] >= 0
    holder = wait["holder"]
    assert (holder["pid"], holder["query"]) == (pids.holder, f"begin; {UPDATE}")
    assert (holder["state"], holder["waits"]) == ("idle in transaction", False)
    assert elsewhere == {"waits": [], "total": 0}


async def test_a_lock_on_a_table_is_told_with_its_name(shop: str, admin: asyncpg.Connection) -> None:
    other = await asyncpg.connect(shop)
    await admin.execute("begin; lock table purchase")
    task = asyncio.create_task(other.execute("begin; lock table purchase"))
    async with asking(shop) as context, asyncio.timeout(60):
        told = await locks(context)
        while not told["waits"]:
            told = await locks(context)
    await admin.execute("rollback")
    async with asyncio.timeout(60):
        await task
    await other.close()
    assert [(wait["relation"], wait["mode"]) for wait in told["waits"]] == [
        ("public.purchase", "AccessExclusiveLock")
    ]


async def test_who_may_not_see_others_is_told_so(shop: str, admin: asyncpg.Connection) -> None:
    role = f"blind_{await admin.fetchval('select current_database()')}"
    await admin.execute(f"create role \"{role}\" login password 'x'")
    parts = urlsplit(shop)
    url = parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}").geturl()
    try:
        async with asking(url) as context:
            blind = [await action(context) for action in (activity, connections, locks, slow_queries)]
            await admin.execute(f'grant pg_read_all_stats to "{role}"')
            seeing = [await action(context) for action in (activity, connections, locks)]
    finally:
        await admin.execute(f'drop role "{role}"')
    assert all("pg_read_all_stats" in answer.get("hint", "") for answer in blind)
    assert not any("hint" in answer for answer in seeing)


async def test_without_pg_stat_statements_the_longest_that_run_now_are_told_and_how_to_get_it(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with blocking(shop, admin) as pids, asking(shop) as context:
        told = shaped(slow_queries, await slow_queries(context, database=database_of(shop)))
    assert (told["source"], told["statements"]) == ("running now", [])
    assert [running["pid"] for running in told["running"]] == [pids.waiter]
    assert told["running"][0]["running_ms"] > 0
    assert "shared_preload_libraries" in told["hint"]


# The extension is none of the embedded server's: this is its view as others see it, of the columns that are used.
STATEMENTS = """
create schema "Stats";
create table "Stats".pg_stat_statements as select
    (select oid from pg_database where datname = current_database()) as dbid,
    (select oid from pg_roles where rolname = current_user) as userid,
    i::bigint as calls, i * 2.5::float8 as total_exec_time, 2.5::float8 as mean_exec_time, 9::float8 as max_exec_time,
    3::bigint as rows, 3::bigint as shared_blks_hit, 1::bigint as shared_blks_read, 0::bigint as temp_blks_written,
    'select $' || i as query
from generate_series(1, 3) i;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    select 987654, 'pg_stat_statements', 10, oid, true, '1.12' from pg_namespace where nspname = 'Stats';
"""


async def test_with_pg_stat_statements_the_costliest_statements_are_told(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(STATEMENTS)
    database = await admin.fetchval("select quote_ident(current_database())")
    async with asking(shop) as context:
        not_loaded = await slow_queries(context)
    # Only where the library is loaded does this have a value.
    await admin.execute(f"alter database {database} set pg_stat_statements.max = '5000'")
    async with asking(shop) as context:
        told = shaped(slow_queries, await slow_queries(context, limit=2))
        elsewhere = await slow_queries(context, database="nothing")
    assert not_loaded["source"] == "running now"
    assert (told["source"], told["running"]) == ("pg_stat_statements", [])
    assert [statement["query"] for statement in told["statements"]] == ["select $3", "select $2"]
    first = told["statements"][0]
    assert (first["calls"], first["total_ms"], first["cache_hit_ratio"]) == (3, 7.5, 0.75)
    assert first["database"] == database_of(shop)
    assert elsewhere["statements"] == []


async def test_what_is_created_but_not_loaded_and_loaded_but_not_created_is_told_apart(
    shop: str, admin: asyncpg.Connection
) -> None:
    database = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter database {database} set pg_stat_statements.max = '5000'")
    async with asking(shop) as context:
        told = await slow_queries(context)
    assert "has to be created in this database" in told.get("hint", "")
    assert "restarted" not in told.get("hint", "")
