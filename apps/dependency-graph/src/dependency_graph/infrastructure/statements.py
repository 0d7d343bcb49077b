import re
from functools import cache
from importlib import resources

from sqlalchemy import TextClause, text

from dependency_graph import infrastructure

_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def statement(name: str) -> TextClause:
    """The statement of that name in the `.sql` files beside this one, with those that it includes."""
    return text(_with_included(name))


def _with_included(name: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: _with_included(found[1]), _texts()[name])


@cache
def _texts() -> dict[str, str]:
    folder = resources.files(infrastructure).iterdir()
    files = [file.read_text(encoding="utf-8") for file in folder if file.name.endswith(".sql")]
    return {name: body.strip().rstrip(";") for file in files for name, body in _NAMED.findall(file)}
