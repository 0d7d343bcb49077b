from typing import cast

from coldquery.actions.catalogue import looking, page
from coldquery.actions.context import Context
from coldquery.actions.monitor.answers import DatabaseSize, Sizes, TableSize
from coldquery.actions.monitor.asked import entries


async def size(context: Context, *, database: str | None = None, limit: int | None = None) -> Sizes:
    """The largest databases, or `database` alone, and the largest tables of the one that is connected to.

    `limit` is 1 to 200, 50 unless given. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        databases = await catalogue.rows("databases", database, count)
        tables, total = page(await catalogue.rows("largest_tables", count))
    return Sizes(
        databases=cast("list[DatabaseSize]", databases), tables=cast("list[TableSize]", tables), total=total
    )
