"""What is well and what is not, by the numbers of the statement `health`."""

from collections.abc import Callable, Mapping
from typing import Any

from coldquery.actions.monitor.answers import Check

OK = "ok"
WARNING = "warning"

MAX_CONNECTIONS_SHARE = 0.8
MIN_CACHE_HIT_RATIO = 0.9
MAX_TRANSACTION_SECONDS = 300.0
MAX_LAG_SECONDS = 30.0
FREEZE_FACTOR = 2
"""Autovacuum should have frozen long before an age of so many times autovacuum_freeze_max_age."""
MAX_AGE = 1_600_000_000
"""Of the 2^31 transactions at which the server stops."""

Vitals = Mapping[str, Any]


def checks(vitals: Vitals) -> list[Check]:
    """One for each thing that can be wrong, in the order of its weight."""
    return [check(vitals) for check in _CHECKS]


def _superuser(vitals: Vitals) -> Check:
    role = vitals["role"]
    return _check(
        "superuser",
        f"The role {role} is no superuser.",
        vitals["superuser"]
        and f"The role {role} is a superuser, whom PostgreSQL lets do everything. Use a role that may only read: "
        "`coldquery grants` prints the SQL for it.",
    )


def _writes(vitals: Vitals) -> Check:
    # That is what it is for where sessions write; still, whoever reads has to know.
    role = vitals["role"]
    can = "may only read" if vitals["reads_only"] else "may write; reads are still run read-only"
    return _check("role", f"The role {role} {can}.", None)


def _connections(vitals: Vitals) -> Check:
    used, most = vitals["connections_used"], vitals["connections_max"]
    text = f"{used} of {most} connections are used"
    return _check(
        "connections",
        f"{text}.",
        used >= MAX_CONNECTIONS_SHARE * most
        and f"{text}: `pg_monitor connections` tells whose they are; a pooler, or fewer clients, helps.",
    )


def _oldest_transaction(vitals: Vitals) -> Check:
    seconds = vitals["oldest_transaction_seconds"]
    if seconds is None:
        return _check("transactions", "No transaction of others is seen.", None)
    text = f"The oldest transaction has been open for {seconds:.0f} s"
    return _check(
        "transactions",
        f"{text}.",
        seconds > MAX_TRANSACTION_SECONDS
        and f"{text}; it holds its locks, and vacuum back: `pg_monitor activity` tells whose it is.",
    )


def _waits(vitals: Vitals) -> Check:
    waiting = vitals["waiting_for_locks"]
    return _check(
        "locks",
        "Nobody waits for a lock.",
        waiting and f"{waiting} wait for locks: `pg_monitor locks` tells for whom.",
    )


def _cache(vitals: Vitals) -> Check:
    ratio = vitals["cache_hit_ratio"]
    if ratio is None:
        return _check("cache", "Nothing was read in this database yet.", None)
    text = f"{ratio:.1%} of the blocks read were in shared_buffers"
    return _check(
        "cache",
        f"{text}.",
        ratio < MIN_CACHE_HIT_RATIO
        and f"{text}: more shared_buffers may help, or indexes where `pg_admin stats` tells of sequential scans.",
    )


def _replication(vitals: Vitals) -> Check:
    lag = vitals["replication_lag_seconds"]
    if lag is None:
        return _check("replication", "No standby is known of.", None)
    text = f"{'This standby' if vitals['standby'] else 'The slowest standby'} is {lag:.0f} s behind"
    return _check(
        "replication",
        f"{text}.",
        lag > MAX_LAG_SECONDS and f"{text}: look at its load, its network and its long queries.",
    )


def _wraparound(vitals: Vitals) -> Check:
    age = vitals["transaction_id_age"]
    text = f"The oldest transaction that is not frozen is {age} transactions back"
    return _check(
        "wraparound",
        f"{text}.",
        age > min(FREEZE_FACTOR * vitals["freeze_max_age"], MAX_AGE)
        and f"{text}, and at 2147483647 the server stops: `pg_monitor vacuum_health` tells where; vacuum there.",
    )


def _visibility(vitals: Vitals) -> Check:
    role = vitals["role"]
    return _check(
        "visibility",
        f"The role {role} sees what all connections do.",
        not vitals["sees_all"]
        and f"The role {role} does not see what others' connections do: GRANT pg_read_all_stats TO it.",
    )


def _check(name: str, well: str, wrong: object) -> Check:
    """`wrong` is a text where something is, else anything false."""
    if isinstance(wrong, str):
        return Check(name=name, status=WARNING, text=wrong)
    return Check(name=name, status=OK, text=well)


_CHECKS: tuple[Callable[[Vitals], Check], ...] = (
    _superuser,
    _writes,
    _connections,
    _oldest_transaction,
    _waits,
    _cache,
    _replication,
    _wraparound,
    _visibility,
)
