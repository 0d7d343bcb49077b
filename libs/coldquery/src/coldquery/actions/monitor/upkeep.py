"""What needs care: indexes and dead rows."""

from typing import cast

from coldquery.actions.catalogue import looking, page
from coldquery.actions.context import Context
from coldquery.actions.monitor.answers import (
    DatabaseAge,
    Duplicate,
    IndexFinding,
    IndexHealth,
    TableVacuum,
    UnindexedKey,
    VacuumHealth,
)
from coldquery.actions.monitor.asked import entries


async def index_health(context: Context, *, limit: int | None = None) -> IndexHealth:
    """Indexes that nothing uses, that are there twice or are not valid, and foreign keys without one.

    `limit` (1 to 200, 50 unless given) holds for each list, the largest first. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        unused = await catalogue.rows("unused_indexes", count)
        duplicates = await catalogue.rows("duplicate_indexes", count)
        invalid = await catalogue.rows("invalid_indexes", count)
        keys = await catalogue.rows("unindexed_foreign_keys", count)
        since = await catalogue.row("statistics_since")
    return IndexHealth(
        unused=cast("list[IndexFinding]", unused),
        duplicates=cast("list[Duplicate]", duplicates),
        invalid=cast("list[IndexFinding]", invalid),
        unindexed_foreign_keys=cast("list[UnindexedKey]", keys),
        since=since["since"],
    )


async def vacuum_health(context: Context, *, limit: int | None = None) -> VacuumHealth:
    """Which tables have most dead rows, when they were vacuumed, and how far the databases are from wraparound.

    `limit` (1 to 200, 50 unless given) holds for each list. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        tables, total = page(await catalogue.rows("vacuum_tables", count))
        databases = await catalogue.rows("freezing", count)
        autovacuum = await catalogue.row("autovacuum")
    return VacuumHealth(
        tables=cast("list[TableVacuum]", tables),
        total=total,
        databases=cast("list[DatabaseAge]", databases),
        autovacuum=autovacuum["autovacuum"],
        freeze_max_age=autovacuum["freeze_max_age"],
    )
