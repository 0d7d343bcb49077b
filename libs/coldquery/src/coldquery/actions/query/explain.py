from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.query.answers import ExplainAnswer
from coldquery.connections.owner import Work
from coldquery.connections.timeout import Timeout
from coldquery.errors import Refused, StatementFailed
from coldquery.statements.parsing import parse
from coldquery.statements.reading import require_read
from coldquery.statements.statement import Statement
from coldquery.values.outgoing import row_converter
from coldquery.values.parameters import bound
from coldquery.values.unreadable import readable

_EXPLAINED = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}
_PLAN = "EXPLAIN (FORMAT JSON, SUMMARY) "
_RUN = "EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) "


async def explain(
    context: Context,
    *,
    sql: str,
    params: Sequence[Any] | None = None,
    analyze: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
    timeout_ms: int | None = None,
) -> ExplainAnswer:
    """The plan of a statement; with `analyze` it is run, and the plan says what it took.

    To run what writes is a write, and needs `session_id` or `autocommit`. Raises Refused for what has no plan,
    StatementFailed in PostgreSQL's words.
    """
    statement = _explained(sql)
    timeout = Timeout.asked(timeout_ms, context.limits)
    if analyze and (autocommit or not statement.reads):
        return await _explain_write(
            context, statement, params, session_id, autocommit=autocommit, within=timeout
        )
    prefix = _RUN if analyze else _PLAN
    with _counted_from(prefix), advised(session_id):
        reached = require_read(_explaining(statement, analyze=analyze))
        async with context.connections.reading(context.caller, session_id, timeout, reached) as work:
            return await _plan(work, prefix, statement, params)


async def _explain_write(
    context: Context,
    statement: Statement,
    params: Sequence[Any] | None,
    session_id: str | None,
    *,
    autocommit: bool,
    within: Timeout,
) -> ExplainAnswer:
    with _counted_from(_RUN), failures_audited(context, session_id, [statement]), advised(session_id):
        async with context.connections.writing(
            context.caller, session_id, autocommit=autocommit, timeout=within
        ) as work:
            answer = await _plan(work, _RUN, statement, params)
    context.audit.wrote(context.caller, session_id, statement, None)
    return answer


def _explained(sql: str) -> Statement:
    statement = parse(sql)
    if statement.node == "ExplainStmt":
        raise Refused(
            "This is an EXPLAIN already: give the statement alone, and analyze: true to run it too."
        )
    if statement.node not in _EXPLAINED:
        raise Refused(
            "It has no plan: explain takes SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE and MERGE.",
            hint="Of CREATE TABLE AS or a view explain the SELECT in it.",
        )
    return statement


def _explaining(statement: Statement, *, analyze: bool) -> Statement:
    options = [{"DefElem": {"defname": "analyze"}}] if analyze else []
    tree = {"query": {statement.node: statement.tree}, "options": options}
    return Statement(statement.sql, "ExplainStmt", tree)


@contextmanager
def _counted_from(prefix: str) -> Generator[None]:
    """Count positions in the statement that was given, not in what stands before it."""
    try:
        yield
    except StatementFailed as failure:
        if failure.position is not None:
            failure.position -= len(prefix)
        raise


async def _plan(work: Work, prefix: str, statement: Statement, params: Sequence[Any] | None) -> ExplainAnswer:
    with readable():
        prepared = await work.connection.prepare(prefix + statement.sql)
        arguments = await bound(work.connection, prepared, params or ())
        answer = _answer(prepared, await prepared.fetch(*arguments))
    return hinted(answer, work.hint)


def _answer(prepared: PreparedStatement, records: Sequence[asyncpg.Record]) -> ExplainAnswer:
    plan: list[Any] | str = row_converter(prepared.get_attributes())(records[0])[0]
    # What is nested too deeply to be JSON within JSON comes as its text.
    if isinstance(plan, str):
        raise Refused(
            "The plan is nested too deeply for JSON.",
            hint="Get it as text: action read with sql EXPLAIN and the statement after it.",
        )
    return ExplainAnswer(
        plan=plan, planning_ms=plan[0].get("Planning Time"), execution_ms=plan[0].get("Execution Time")
    )
