from collections.abc import Mapping
from typing import Any

from coldquery.actions.changing import Words
from coldquery.statements.statement import Statement

_EXISTS = {"42P07", "42710", "42P06", "42723"}
"""A relation, object, schema or function is there already."""
_MISSING = {"42P01", "42704", "42883", "3F000"}
"""A relation, object, function or schema is not there."""
_PLACES = (
    ("relation", "relname"),
    ("base", "relation", "relname"),
    ("view", "relname"),
    ("sequence", "relname"),
    ("into", "rel", "relname"),
    ("typevar", "relname"),
)


def there_already(statement: Statement) -> Words:
    """Whether PostgreSQL says of what `statement` creates that it is there; of something else in it is an error."""
    name = _created(statement)

    def says(sqlstate: str, message: str) -> bool:
        return sqlstate in _EXISTS and (name is None or f'"{name}"' in message)

    return says


def missing(sqlstate: str, _message: str) -> bool:
    """Whether PostgreSQL says that what is to be dropped is not there."""
    return sqlstate in _MISSING


def _created(statement: Statement) -> str | None:
    """The name of what is created, for the kinds that can fail on the name of a part, such as an index."""
    if statement.node in ("IndexStmt", "CreateSchemaStmt"):
        return statement.tree.get("idxname") or statement.tree.get("schemaname")
    return next((name for place in _PLACES if (name := _at(statement.tree, place))), None)


def _at(tree: Mapping[str, Any], place: tuple[str, ...]) -> str | None:
    found: Any = tree
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
