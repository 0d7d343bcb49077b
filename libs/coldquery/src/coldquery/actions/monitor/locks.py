from typing import cast

from coldquery.actions.catalogue import Row, looking, page
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.monitor.answers import Locks, Wait
from coldquery.actions.monitor.asked import entries, unseen

_HOLDER = "holder_"


async def locks(context: Context, *, database: str | None = None, limit: int | None = None) -> Locks:
    """Who waits for whom, in `database` or in all, and what both run.

    `limit` is 1 to 200, 50 unless given. Raises Refused.
    """
    count = entries(limit)
    async with looking(context) as catalogue:
        rows, total = page(await catalogue.rows("locks", database, count))
        room = await catalogue.row("room")
    answer = Locks(waits=[_wait(row) for row in rows], total=total)
    return hinted(answer, unseen(sees_all=room["sees_all"]))


def _wait(row: Row) -> Wait:
    waiting = {name: value for name, value in row.items() if not name.startswith(_HOLDER)}
    holder = {name.removeprefix(_HOLDER): row[name] for name in row.keys() - waiting.keys()}
    return cast("Wait", {**waiting, "holder": holder})
