"""VACUUM, ANALYZE and REINDEX, of one table or of the whole database."""

from coldquery.actions.admin.answers import MaintenanceAnswer
from coldquery.actions.admin.tables import Table, table_named
from coldquery.actions.catalogue import looking
from coldquery.actions.changing import Where, changed
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted
from coldquery.statements.parsing import parse


async def vacuum(
    context: Context,
    *,
    table: str | None = None,
    full: bool = False,
    verbose: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
) -> MaintenanceAnswer:
    """Give back the space of dead rows; `full` rewrites the table, which nobody can use meanwhile.

    Only with `autocommit`: it cannot run in a session. Without `table` it is the whole database.
    Raises Refused, and as `Connections.writing` does.
    """
    found = await _to_be_vacuumed(context, table, session_id, "vacuum")
    sql = _sql("VACUUM", _options(FULL=full, VERBOSE=verbose), found.quoted if found else "")
    return await _maintained(context, sql, found, session_id, autocommit=autocommit)


async def analyze(
    context: Context,
    *,
    table: str | None = None,
    verbose: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
) -> MaintenanceAnswer:
    """Have the planner's statistics of a table, or of the whole database, made anew; that counts as a write.

    Raises Refused, and as `Connections.writing` does.
    """
    found = await _to_be_vacuumed(context, table, session_id, "analyze")
    sql = _sql("ANALYZE", _options(VERBOSE=verbose), found.quoted if found else "")
    return await _maintained(context, sql, found, session_id, autocommit=autocommit)


async def reindex(
    context: Context,
    *,
    table: str | None = None,
    verbose: bool = False,
    session_id: str | None = None,
    autocommit: bool = False,
) -> MaintenanceAnswer:
    """Build the indexes of a table anew, or one index, or all of the database; nobody can write meanwhile.

    A partitioned table or index and the whole database only with `autocommit`.
    Raises Refused, and as `Connections.writing` does.
    """
    async with looking(context, session_id) as catalogue:
        found = await table_named(catalogue, table) if table is not None else None
        database = quoted((await catalogue.row("this_database"))["name"])
    what = "DATABASE" if found is None else "INDEX" if found.is_index else "TABLE"
    sql = _sql("REINDEX", _options(VERBOSE=verbose), what, found.quoted if found else database)
    return await _maintained(context, sql, found, session_id, autocommit=autocommit)


async def _to_be_vacuumed(
    context: Context, name: str | None, session_id: str | None, verb: str
) -> Table | None:
    if name is None:
        return None
    async with looking(context, session_id) as catalogue:
        table = await table_named(catalogue, name)
    if table.is_index:
        raise Refused(f"{table.quoted} is an index.", hint="Give its table, or use the action reindex.")
    if not table.maintainable:
        raise Refused(
            f"The role of this server may not {verb} {table.quoted}.",
            hint="Its owner and the owner of the database may; from PostgreSQL 17 on also a role that has "
            "MAINTAIN on it. Ask whoever runs this server.",
        )
    return table


async def _maintained(
    context: Context, sql: str, table: Table | None, session_id: str | None, *, autocommit: bool
) -> MaintenanceAnswer:
    statement = parse(sql)
    alone = statement.node == "ReindexStmt" and table is not None and table.is_partitioned
    where = Where.of(statement, session_id, autocommit=autocommit, alone=alone)
    done = await changed(context, statement, where)
    answer = MaintenanceAnswer(
        command=done.command, table=table.quoted if table else None, messages=done.messages
    )
    return hinted(answer, done.hint)


def _options(**options: bool) -> str:
    chosen = [name for name, wanted in options.items() if wanted]
    return f"({', '.join(chosen)})" if chosen else ""


def _sql(*parts: str) -> str:
    return " ".join(part for part in parts if part)
