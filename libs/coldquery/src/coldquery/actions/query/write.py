from collections.abc import Sequence
from typing import Any

from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.query.answers import WriteAnswer
from coldquery.actions.query.room import Room, rows_asked
from coldquery.actions.query.running import run
from coldquery.actions.writable import (
    may_run_bare,
    must_run_alone,
    needs_way,
    sets_new_connections,
    writable,
)
from coldquery.connections.timeout import Timeout


async def write(
    context: Context,
    *,
    sql: str,
    params: Sequence[Any] | None = None,
    session_id: str | None = None,
    autocommit: bool = False,
    max_rows: int | None = None,
    timeout_ms: int | None = None,
) -> WriteAnswer:
    """Run one statement of any kind, in the transaction of a session or (`autocommit`) in one of its own.

    What cannot run in a transaction block, such as VACUUM, runs without one, with `autocommit` only.
    Raises Refused for transaction control, COPY by way of the client, several statements, and with neither
    `session_id` nor `autocommit`; NotAllowed without the scope write; StatementFailed in PostgreSQL's words.
    """
    statement = writable(sql)
    room = Room(rows_asked(context.limits, max_rows), context.limits.max_bytes)
    timeout = Timeout.asked(timeout_ms, context.limits)
    with failures_audited(context, session_id, [statement]), advised(session_id):
        async with context.connections.writing(
            context.caller,
            session_id,
            autocommit=autocommit,
            timeout=timeout,
            bare=must_run_alone(statement) if session_id else may_run_bare(statement),
            needs_way=needs_way(statement),
        ) as work:
            answer = await run(work.connection, statement, params, room)
    # Only now it is committed.
    context.audit.wrote(context.caller, session_id, statement, answer["rows_affected"])
    if sets_new_connections(statement):
        # What is connected by now does not know of it.
        await context.connections.renew()
    return hinted(answer, work.hint)
