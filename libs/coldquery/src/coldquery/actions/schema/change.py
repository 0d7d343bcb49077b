"""Changes of the schema: one CREATE or ALTER statement as it is, or a DROP made of names."""

from collections.abc import Callable

from coldquery.actions.changing import Done, Where, changed
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.schema.answers import ChangeAnswer
from coldquery.actions.schema.dropping import drop_statement
from coldquery.actions.schema.existing import missing, there_already
from coldquery.errors import Refused
from coldquery.statements.kinds import alters, creates
from coldquery.statements.parsing import parse
from coldquery.statements.statement import Statement


async def create(
    context: Context,
    *,
    sql: str,
    if_not_exists: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
) -> ChangeAnswer:
    """Run one CREATE statement; with `if_not_exists` it is skipped where what it creates is there already.

    Raises Refused for another statement, and as `Connections.writing` does.
    """
    statement = _of_kind(sql, creates, "CREATE")
    where = Where.of(statement, session_id, autocommit=autocommit)
    done = await changed(context, statement, where, needless=there_already(statement), forgive=if_not_exists)
    return _answer(done)


async def alter(
    context: Context, *, sql: str, session_id: str | None = None, autocommit: bool = False
) -> ChangeAnswer:
    """Run one ALTER statement. Raises Refused for another, and as `Connections.writing` does."""
    statement = _of_kind(sql, alters, "ALTER")
    where = Where.of(statement, session_id, autocommit=autocommit)
    return _answer(await changed(context, statement, where))


async def drop(
    context: Context,
    *,
    target: str,
    name: str,
    schema: str | None = None,
    cascade: bool = False,
    if_exists: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
) -> ChangeAnswer:
    """Drop one object, with what depends on it only if `cascade`; with `if_exists` skipped where it is not there.

    `name` is taken as it is stored, dots and capitals too. Raises Refused, and as `Connections.writing` does.
    """
    statement = drop_statement(target, schema, name, cascade=cascade)
    where = Where.of(statement, session_id, autocommit=autocommit)
    return _answer(await changed(context, statement, where, needless=missing, forgive=if_exists))


def _of_kind(sql: str, is_one: Callable[[Statement], bool], word: str) -> Statement:
    statement = parse(sql)
    if not is_one(statement):
        raise Refused(
            f"This is no {word} statement.", hint="Use pg_query: action write for others, read for a query."
        )
    return statement


def _answer(done: Done) -> ChangeAnswer:
    answer = ChangeAnswer(command=done.command, skipped=done.skipped, messages=done.messages)
    return hinted(answer, done.hint)
