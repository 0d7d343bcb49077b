"""pg_monitor health."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cq_asking import as_reader, asking
from cq_shapes import shaped

from coldquery.actions.monitor.checks import OK, WARNING, checks
from coldquery.actions.monitor.health import health

WELL: Mapping[str, Any] = {
    "role": "agent",
    "superuser": False,
    "reads_only": True,
    "sees_all": True,
    "standby": False,
    "connections_used": 79,
    "connections_max": 100,
    "cache_hit_ratio": 0.9,
    "oldest_transaction_seconds": 300.0,
    "waiting_for_locks": 0,
    "replication_lag_seconds": 30.0,
    "transaction_id_age": 400_000_000,
    "freeze_max_age": 200_000_000,
}


def statuses(vitals: Mapping[str, Any]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in checks(vitals)}


def test_at_the_limits_all_is_well() -> None:
    assert set(statuses(WELL).values()) == {OK}


@pytest.mark.parametrize(
    ("worse", "name", "words"),
    [
        ({"superuser": True}, "superuser", "coldquery grants"),
        ({"connections_used": 80}, "connections", "80 of 100"),
        ({"cache_hit_ratio": 0.89}, "cache", "89.0%"),
        ({"oldest_transaction_seconds": 301.0}, "transactions", "301 s"),
        ({"waiting_for_locks": 1}, "locks", "pg_monitor locks"),
        ({"replication_lag_seconds": 31.0}, "replication", "slowest standby is 31 s"),
        ({"replication_lag_seconds": 31.0, "standby": True}, "replication", "This standby is 31 s"),
        ({"transaction_id_age": 400_000_001}, "wraparound", "2147483647"),
        ({"transaction_id_age": 1_600_000_001, "freeze_max_age": 2_000_000_000}, "wraparound", "vacuum"),
        ({"sees_all": False}, "visibility", "pg_read_all_stats"),
    ],
)
def test_beyond_a_limit_one_check_warns_and_says_what_to_do(
    worse: Mapping[str, Any], name: str, words: str
) -> None:
    made = {check["name"]: check for check in checks({**WELL, **worse})}
    assert [check["name"] for check in made.values() if check["status"] == WARNING] == [name]
    assert words in made[name]["text"]


@pytest.mark.parametrize(
    "unknown", ["cache_hit_ratio", "oldest_transaction_seconds", "replication_lag_seconds"]
)
def test_what_is_not_known_is_no_warning(unknown: str) -> None:
    assert set(statuses({**WELL, unknown: None}).values()) == {OK}


async def test_health_tells_of_the_server_and_warns_of_a_superuser(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with asking(shop) as context:
        told = shaped(health, await health(as_reader(context)))
    assert told["status"] == WARNING
    assert told["version"] == await admin.fetchval("show server_version")
    assert (told["superuser"], told["reads_only"], told["standby"]) == (True, False, False)
    assert told["connections_max"] == await admin.fetchval("select current_setting('max_connections')::int")
    assert 2 <= told["connections_used"] <= told["connections_max"]
    assert told["uptime_seconds"] > 0
    assert told["transaction_id_age"] > 0


async def test_a_role_that_may_only_read_is_told_apart_from_one_that_may_write(
    shop: str, admin: asyncpg.Connection
) -> None:
    role = f"looks_{await admin.fetchval('select current_database()')}"
    await admin.execute(f'create role "{role}" login password \'x\'; grant select on customer to "{role}"')
    parts = urlsplit(shop)
    url = parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}").geturl()
    try:
        async with asking(url) as context:
            reads = shaped(health, await health(context))
            await admin.execute(f'grant update on customer to "{role}"')
            writes = await health(context)
            await admin.execute(
                f'revoke update on customer from "{role}"; grant create on schema public to "{role}"'
            )
            creates = await health(context)
    finally:
        await admin.execute(f'drop owned by "{role}"; drop role "{role}"')
    assert (reads["superuser"], reads["reads_only"], reads["sees_all"]) == (False, True, False)
    assert (writes["reads_only"], creates["reads_only"]) == (False, False)
    made = {check["name"]: check["status"] for check in reads["checks"]}
    assert (made["superuser"], made["visibility"]) == (OK, WARNING)


async def test_a_transaction_that_stays_open_and_a_wait_for_a_lock_are_seen(
    shop: str, admin: asyncpg.Connection
) -> None:
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("select 1")
    async with asking(shop) as context:
        told = await health(context)
    await transaction.rollback()
    assert told["oldest_transaction_seconds"] is not None
    assert told["oldest_transaction_seconds"] > 0
