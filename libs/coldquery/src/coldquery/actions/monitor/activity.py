from typing import cast

from coldquery.actions.catalogue import looking, page
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.monitor.answers import Activity, Backend, ConnectionCounts, Count
from coldquery.actions.monitor.asked import entries, unseen


async def activity(
    context: Context, *, include_idle: bool = False, database: str | None = None, limit: int | None = None
) -> Activity:
    """What runs on the server, in `database` or in all; an idle transaction counts as running.

    `limit` is 1 to 200, 50 unless given. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        backends, total = page(await catalogue.rows("activity", database, include_idle, count))
        room = await catalogue.row("room")
    answer = Activity(backends=cast("list[Backend]", backends), total=total)
    return hinted(answer, unseen(sees_all=room["sees_all"]))


async def connections(
    context: Context, *, database: str | None = None, limit: int | None = None
) -> ConnectionCounts:
    """How many connections there are, of `database` or of all, by what they do and whose they are.

    `limit` (1 to 200, 50 unless given) holds for each list. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        rows = await catalogue.rows("connections", database)
        room = await catalogue.row("room")

    def by(kind: str) -> list[Count]:
        of_kind = [Count(name=row["name"], count=row["count"]) for row in rows if row["by"] == kind]
        return of_kind[:count]

    answer = ConnectionCounts(
        used=room["used"],
        max=room["max"],
        reserved_for_superusers=room["reserved_for_superusers"],
        by_state=by("state"),
        by_database=by("database"),
        by_role=by("role"),
        by_application=by("application"),
    )
    return hinted(answer, unseen(sees_all=room["sees_all"]))
