import json
import re
from typing import Any

from pglast.parser import ParseError, parse_sql_json

from coldquery.errors import Refused
from coldquery.statements.statement import Statement

MAX_CHARACTERS = 100_000
"""What is longer is refused before it is parsed."""
MAX_RUN = 2_000
"""Of characters of operators and comments next to each other: the scanner looks at the rest of them for each."""
SYNTAX_ERROR = "42601"
"""PostgreSQL's SQLSTATE of one."""
_RUNS = re.compile(r"[-+*/<>=~!@#%^&|`?]+")


def parse(sql: str) -> Statement:
    """The one statement in `sql`, read by the grammar of PostgreSQL 18.

    Raises Refused for none, several, a syntax error (with its position), and for text that is
    too long or too deep to be looked at.
    """
    _require_text(sql)
    statements = _statements(sql)
    if len(statements) != 1:
        raise _not_one(statements)
    ((node, tree),) = statements[0]["stmt"].items()
    return Statement(sql, node, tree)


def _require_text(sql: str) -> None:
    if len(sql) > MAX_CHARACTERS:
        raise Refused(
            f"The statement has {len(sql)} characters; at most {MAX_CHARACTERS} are taken.",
            hint="Pass long values as params.",
        )
    # The parser would take what comes before a NUL for the whole.
    if (at := sql.find("\0")) >= 0:
        raise Refused("The statement has a NUL character, which PostgreSQL does not take.", position=at + 1)
    if any(len(run) > MAX_RUN for run in _RUNS.findall(sql)):
        raise Refused(
            f"The statement has more than {MAX_RUN} characters such as + and * next to each other.",
            hint="Pass long values as params.",
        )
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise Refused(
            "The statement has half of a surrogate pair, which is no character.", position=error.start + 1
        ) from None


def _statements(sql: str) -> list[dict[str, Any]]:
    try:
        return json.loads(parse_sql_json(sql)).get("stmts", [])
    except ParseError as error:
        raise _syntax(*error.args) from None
    except RecursionError:
        raise _too_deep() from None


def _syntax(message: str, index: int | None) -> Refused:
    if message.startswith(("memory exhausted", "stack depth limit exceeded")):
        return _too_deep()
    position = None if index is None else index + 1
    return Refused(message, hint="It was not run.", position=position, sqlstate=SYNTAX_ERROR)


def _too_deep() -> Refused:
    return Refused(
        "The statement is nested too deeply to be looked at.",
        hint="Pass long lists as an array in params: `= any($1)`.",
    )


def _not_one(statements: list[dict[str, Any]]) -> Refused:
    if not statements:
        return Refused("There is no statement in it.", hint="Give one SQL statement.")
    return Refused(
        f"There are {len(statements)} statements in it; one is taken at a time.",
        hint="Call once for each, or use `pg_query` action `transaction` to write several or none.",
        position=statements[1].get("stmt_location", 0) + 1,
    )
