from collections.abc import Sequence
from contextlib import nullcontext

import asyncpg

from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.query.answers import TransactionAnswer, WriteAnswer
from coldquery.actions.query.operations import Operation, Underway, failing_at, statements_of
from coldquery.actions.query.room import Room
from coldquery.actions.query.running import run
from coldquery.actions.savepoint import all_or_none
from coldquery.actions.writable import needs_way
from coldquery.connections.failures import translated
from coldquery.connections.timeout import Timeout
from coldquery.statements.statement import Statement


async def transaction(
    context: Context,
    *,
    operations: Sequence[Operation],
    session_id: str | None = None,
    autocommit: bool = False,
    timeout_ms: int | None = None,
) -> TransactionAnswer:
    """Run all operations or none: in a transaction of their own (`autocommit`), or within that of a session.

    What fails says in which operation, counted from 0. The transaction of a session then goes on without any of
    them, unless the call itself was cut short: then it has to be rolled back. The rows of all results together
    stay within the limits of one answer, and all operations together within `timeout_ms`. Raises as `write` does.
    """
    statements = statements_of(operations)
    timeout = Timeout.asked(timeout_ms, context.limits)
    underway = Underway()
    with failures_audited(context, session_id, statements), advised(session_id), underway.telling():
        async with (
            context.connections.writing(
                context.caller,
                session_id,
                autocommit=autocommit,
                timeout=timeout,
                needs_way=any(map(needs_way, statements)),
            ) as work,
            all_or_none(work.connection) if session_id else nullcontext(),
        ):
            results = await _run_all(context, work.connection, statements, operations, underway)
    for statement, result in zip(statements, results, strict=True):
        context.audit.wrote(context.caller, session_id, statement, result["rows_affected"])
    answer = TransactionAnswer(results=results)
    return hinted(answer, work.hint)


async def _run_all(
    context: Context,
    connection: asyncpg.Connection,
    statements: Sequence[Statement],
    operations: Sequence[Operation],
    underway: Underway,
) -> list[WriteAnswer]:
    room = Room(context.limits.max_rows, context.limits.max_bytes)
    results: list[WriteAnswer] = []
    for index, (statement, operation) in enumerate(zip(statements, operations, strict=True)):
        underway.index = index
        with failing_at(index), translated():
            results.append(await run(connection, statement, operation.get("params"), room))
    underway.index = None
    return results
