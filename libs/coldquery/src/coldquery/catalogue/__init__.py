"""The project's own statements on PostgreSQL's catalogue, in the `.sql` files beside this one."""

import re
from functools import cache
from importlib import resources

_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def statement(name: str) -> str:
    """The statement of that name, with those that it includes as `{name}`."""
    return re.sub(r"\{(\w+)\}", lambda found: statement(found[1]), _statements()[name])


@cache
def _statements() -> dict[str, str]:
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")]
    found = [pair for file in files for pair in _NAMED.findall(file.read_text(encoding="utf-8"))]
    return {name: body.strip() for name, body in found}
