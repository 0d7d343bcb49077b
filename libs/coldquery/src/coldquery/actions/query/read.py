from collections.abc import Sequence
from typing import Any

from coldquery.actions.advice import advised
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.query.answers import ReadAnswer
from coldquery.actions.query.room import rows_asked
from coldquery.connections.cursors import Page
from coldquery.connections.timeout import Timeout
from coldquery.errors import Refused
from coldquery.statements.parsing import parse
from coldquery.statements.reading import require_read


async def read(
    context: Context,
    *,
    sql: str | None = None,
    params: Sequence[Any] | None = None,
    max_rows: int | None = None,
    timeout_ms: int | None = None,
    session_id: str | None = None,
    cursor: str | None = None,
) -> ReadAnswer:
    """Rows of one SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN, or the next ones of an earlier read's `cursor`.

    It runs in a read-only transaction, in a session on what the session has done so far.
    Raises Refused for whatever is more than a read, NoSuchCursor, StatementFailed in PostgreSQL's words.
    """
    if cursor is not None:
        with advised(session_id or cursor):
            return await _read_on(context, cursor, sql, max_rows, timeout_ms)
    if sql is None:
        raise Refused("read needs sql, or the cursor of an earlier read.")
    statement = parse(sql)
    with advised(session_id):
        page = await context.connections.cursors.read(
            context.caller,
            statement.sql,
            params,
            session_id,
            Timeout.asked(timeout_ms, context.limits),
            require_read(statement),
            rows_asked(context.limits, max_rows),
            context.limits.max_bytes,
        )
    return _answer(page)


async def _read_on(
    context: Context, cursor: str, sql: str | None, max_rows: int | None, timeout_ms: int | None
) -> ReadAnswer:
    timeout = Timeout.asked(timeout_ms, context.limits)
    rows = rows_asked(context.limits, max_rows)
    page = await context.connections.cursors.more(
        context.caller, cursor, rows, context.limits.max_bytes, timeout, sql
    )
    return _answer(page)


def _answer(page: Page) -> ReadAnswer:
    answer = ReadAnswer(
        columns=page.columns,
        rows=page.rows,
        row_count=len(page.rows),
        truncated=page.truncated,
        cursor=page.cursor,
    )
    return hinted(answer, page.hint)
