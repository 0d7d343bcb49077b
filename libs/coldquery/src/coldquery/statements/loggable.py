import re

from pglast.parser import scan

from coldquery.statements.nodes import walk
from coldquery.statements.statement import Statement

MAX_BYTES = 4096
"""Of a statement in the audit log, in UTF-8."""

# These hold passwords, or connection strings with one, by their grammar.
_SECRETIVE = {
    "AlterDatabaseSetStmt",
    "AlterForeignServerStmt",
    "AlterRoleSetStmt",
    "AlterRoleStmt",
    "AlterSubscriptionStmt",
    "AlterSystemStmt",
    "AlterUserMappingStmt",
    "CreateForeignServerStmt",
    "CreateRoleStmt",
    "CreateSubscriptionStmt",
    "CreateUserMappingStmt",
    "VariableSetStmt",
}
# The rest is judged by its words: a column, a function or an option of such a name, an address with a user.
_TELLTALE = re.compile(
    r"passw|passfile|passphrase|\bpwd\b|secret|token|credential|api_?key|private_?key|bearer"
    r"|(?<![a-z])(?:pass|pin|jwt)(?![a-z])"
    r"|dblink|conninfo|encrypt|decrypt|crypt\s*\(|hmac|://[^\s/]*@|\buser\s*=",
    re.IGNORECASE,
)
_CONSTANTS = {"SCONST", "USCONST", "BCONST", "XCONST"}
_COMMENTS = {"SQL_COMMENT", "C_COMMENT"}


def loggable(statement: Statement) -> str:
    """The text of `statement` for the audit log, at most 4 KiB.

    Where it may hold a credential, its string constants (function bodies too) read `'…'`, and its
    comments are left out.
    """
    return _shortened(_without_constants(statement.sql) if _may_hold_secret(statement) else statement.sql)


def _may_hold_secret(statement: Statement) -> bool:
    if statement.node in _SECRETIVE or any(key in _SECRETIVE for key, _ in walk(statement.tree)):
        return True
    # In the tree too: there names and constants stand without escapes.
    return bool(_TELLTALE.search(statement.sql)) or any(
        key == "sval" and isinstance(value, str) and _TELLTALE.search(value)
        for key, value in walk(statement.tree)
    )


def _without_constants(sql: str) -> str:
    # The parser's own `normalize` leaves the options of servers and ALTER SYSTEM as they are.
    kept, end = list[str](), 0
    for token in scan(sql):
        if token.name in _CONSTANTS or token.name in _COMMENTS:
            kept += [sql[end : token.start], "'…'" if token.name in _CONSTANTS else ""]
            end = token.end + 1
    return "".join([*kept, sql[end:]])


def _shortened(text: str) -> str:
    raw = text.encode()
    if len(raw) <= MAX_BYTES:
        return text
    mark = "…"
    return raw[: MAX_BYTES - len(mark.encode())].decode(errors="ignore") + mark
