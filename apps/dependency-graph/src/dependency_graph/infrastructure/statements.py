import re
from functools import cache
from importlib import resources

from sqlalchemy import TextClause, text

from dependency_graph import infrastructure

_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def statement(name: str) -> TextClause:
    """The statement of that name in `graph_queries.sql`, with those that it includes."""
    return text(_with_included(name))


def _with_included(name: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: _with_included(found[1]), _texts()[name])


@cache
def _texts() -> dict[str, str]:
    file = resources.files(infrastructure).joinpath("graph_queries.sql")
    return {name: body.strip().rstrip(";") for name, body in _NAMED.findall(file.read_text(encoding="utf-8"))}
