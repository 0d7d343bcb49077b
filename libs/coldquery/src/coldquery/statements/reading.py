import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from coldquery.errors import Refused
from coldquery.statements.builtins import DANGEROUS, DANGEROUS_OF_EXTENSIONS, HARMLESS
from coldquery.statements.classification import analyzes, offence
from coldquery.statements.reached import Name, Reached, reached_when_planned, reached_when_run
from coldquery.statements.statement import Statement

__all__ = ["Reached", "require_harmless", "require_read"]

_UNUSUAL = files("coldquery.statements").joinpath("unusual.sql").read_text("utf-8")
_REACHED = files("coldquery.statements").joinpath("reached.sql").read_text("utf-8")
_ALLOWED, _DENIED = sorted(HARMLESS), sorted(DANGEROUS)


def require_read(statement: Statement) -> Reached:
    """What has to be looked up before `statement` may run as a read.

    Raises Refused, naming what makes more than a read of it and which tool does that.
    """
    if found := offence(statement.node, statement.tree):
        raise Refused(f"{_beginning(found)} is not a read, so it was not run.", hint=_instead(found))
    if statement.node == "ExplainStmt" and not analyzes(statement.tree):
        return reached_when_planned(statement.tree)
    return reached_when_run(statement.tree)


def _beginning(text: str) -> str:
    return text[0].upper() + text[1:]


def _instead(found: str) -> str:
    if found == "transaction control":
        return "Transactions are begun and ended with `pg_tx`; each read has one of its own."
    if found.endswith("COPY"):
        return "COPY is no way out or in here: read with SELECT, write with INSERT through `pg_query`."
    if found.startswith("SELECT FOR"):
        return "Leave out FOR UPDATE or SHARE, or use `pg_query` action `write` with `session_id`."
    if found.startswith("EXPLAIN ANALYZE"):
        return (
            "Leave out ANALYZE, or use `pg_query` action `explain` with `session_id` or `autocommit: true`."
        )
    return "Use `pg_query` action `write` with `session_id` (see `pg_tx`) or `autocommit: true`."


async def require_harmless(connection: asyncpg.Connection | PoolConnectionProxy, reached: Reached) -> None:
    """Look up in the catalogue what the names of a read lead to.

    Raises Refused for a volatile function that is not known to be harmless, however it is reached:
    by its name, an operator, an aggregate, a cast, a view, row security, or the check of a domain.
    It takes the transaction's snapshot, also if there is nothing to look up; from then on the
    transaction cannot be made to write. What a function does that is declared stable or immutable
    is not seen, nor are casts that a superuser made between PostgreSQL's own types: there the
    read-only transaction and the role have to hold.
    """
    if not reached:
        await connection.execute("select")
    elif await connection.fetchval(_UNUSUAL, *_plain_names(reached), _ALLOWED, _DENIED):
        await _look_closely(connection, reached)


async def _look_closely(connection: asyncpg.Connection | PoolConnectionProxy, reached: Reached) -> None:
    found = await connection.fetchrow(
        _REACHED, json.dumps(list(_written(reached))), _ALLOWED, _DENIED, sorted(DANGEROUS_OF_EXTENSIONS)
    )
    if found:
        raise _refusal(found)


def _plain_names(reached: Reached) -> list[list[str]]:
    functions = {call.name for call in reached.functions} | reached.attributes
    named = (reached.operators, reached.types, reached.relations)
    return [sorted(functions), *(sorted({each.name for each in names}) for names in named)]


def _written(reached: Reached) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(_rows(reached)):
        yield {"number": number, **row}


def _rows(reached: Reached) -> Iterator[Mapping[str, Any]]:
    for call in reached.functions:
        yield {"class": "function", **call._asdict()}
    for attribute in reached.attributes:
        yield {"class": "attribute", "name": attribute, "arguments": 1, "plain": True}
    yield from _named("operator", reached.operators)
    yield from _named("type", reached.types)
    yield from _named("relation", reached.relations)


def _named(kind: str, names: Iterable[Name]) -> Iterator[Mapping[str, Any]]:
    return ({"class": kind, **name._asdict()} for name in names)


def _refusal(found: asyncpg.Record) -> Refused:
    function = Name(found["function_schema"], found["function_name"])
    what = str(function) if function.schema != "pg_catalog" else function.name
    via = Name(found["schema"], found["name"])
    how = (
        ""
        if found["class"] == "function" and via.name == function.name
        else f" (reached by {_way(found, via)})"
    )
    return Refused(
        f"The function {what}{how} may do more than read, so it was not run.",
        hint="If it is meant, use `pg_query` action `write` with `session_id` or `autocommit: true`.",
    )


def _way(found: asyncpg.Record, via: Name) -> str:
    match found["class"]:
        case "operator":
            return f"the operator {via}"
        case "relation":
            return f"the relation {via}"
        case "type":
            return f"the type {via}"
        case "attribute":
            return f"the notation .{via}"
        case _:
            return f"the function {via}"
