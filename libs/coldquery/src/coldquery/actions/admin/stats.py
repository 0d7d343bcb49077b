from typing import cast

from coldquery.actions.admin.answers import ColumnStats, StatsAnswer, TableStats
from coldquery.actions.admin.tables import table_named
from coldquery.actions.catalogue import Catalogue, looking, page
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.errors import Refused

MAX_TABLES = 200


async def stats(context: Context, *, table: str | None = None, session_id: str | None = None) -> StatsAnswer:
    """What PostgreSQL counted of a table and knows of its columns, or of the 200 largest tables.

    Raises Refused where there is no such table.
    """
    async with looking(context, session_id) as catalogue:
        oid = await _oid(catalogue, table)
        tables, total = page(await catalogue.rows("table_stats", oid, MAX_TABLES))
        columns = None if oid is None else await catalogue.rows("column_stats", oid)
    answer = StatsAnswer(
        tables=cast("list[TableStats]", tables),
        total=total,
        columns=cast("list[ColumnStats] | None", columns),
    )
    return hinted(answer, catalogue.hint)


async def _oid(catalogue: Catalogue, name: str | None) -> int | None:
    if name is None:
        return None
    table = await table_named(catalogue, name)
    if table.is_index:
        raise Refused(
            f"{table.quoted} is an index.", hint="Give its table; pg_schema describe tells of indexes."
        )
    return table.oid
