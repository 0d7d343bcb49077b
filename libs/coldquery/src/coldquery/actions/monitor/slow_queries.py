from typing import cast

from coldquery.actions.catalogue import Catalogue, Row, looking
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.monitor.answers import RunningStatement, SlowQueries, SlowStatement
from coldquery.actions.monitor.asked import entries, unseen
from coldquery.catalogue import statement
from coldquery.statements.identifiers import quoted

NOT_CREATED = (
    "These are those that run now. For all that ran, pg_stat_statements has to be created in this database: "
    "CREATE EXTENSION pg_stat_statements."
)
NOT_LOADED = (
    "These are those that run now. For all that ran, pg_stat_statements has to be in shared_preload_libraries, "
    "the server restarted, and CREATE EXTENSION pg_stat_statements run in this database."
)


async def slow_queries(
    context: Context, *, database: str | None = None, limit: int | None = None
) -> SlowQueries:
    """The statements that took most time in all, by pg_stat_statements; without it, the longest that run now.

    `limit` is 1 to 200, 50 unless given. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        extension = await catalogue.row("statements_extension")
        unseen_hint = unseen(sees_all=extension["sees_all"])
        if extension["loaded"] and extension["schema"] is not None:
            slowest = await _slowest(catalogue, extension["schema"], database, count)
            return hinted(_answer(slowest, []), unseen_hint)
        running = await catalogue.rows("longest_running", database, count)
    missing = NOT_CREATED if extension["loaded"] else NOT_LOADED
    return hinted(_answer(None, running), " ".join(filter(None, (missing, unseen_hint))))


async def _slowest(catalogue: Catalogue, schema: str, database: str | None, count: int) -> list[Row]:
    view = quoted(schema, "pg_stat_statements")
    sql = statement("slowest_statements").replace("[statements]", view)
    return await catalogue.rows_of(sql, database, count)


def _answer(statements: list[Row] | None, running: list[Row]) -> SlowQueries:
    return SlowQueries(
        source="running now" if statements is None else "pg_stat_statements",
        statements=cast("list[SlowStatement]", statements or []),
        running=cast("list[RunningStatement]", running),
    )
