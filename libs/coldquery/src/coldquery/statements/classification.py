"""What a statement is by its syntax alone: reads are listed, everything else is not one."""

from collections.abc import Iterator, Mapping
from typing import Any

from coldquery.statements.nodes import texts, walk

_WRITES = {"InsertStmt": "INSERT", "UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE"}
_OFF = {"false", "off", "0"}


def offence(node: str, tree: Mapping[str, Any]) -> str | None:
    """What makes more than a read of the statement, in a few words; None if nothing does."""
    if node == "SelectStmt":
        return _offence_of_select(tree)
    if node == "ExplainStmt":
        return _offence_of_explain(tree)
    return None if node == "VariableShowStmt" else _named(node)


def analyzes(tree: Mapping[str, Any]) -> bool:
    """Whether an `ExplainStmt` also runs what it explains."""
    given = [
        option["DefElem"] for option in tree.get("options", ()) if option["DefElem"]["defname"] == "analyze"
    ]
    # Of several the worst.
    return any(switched_on(option) for option in given)


def switched_on(option: Mapping[str, Any]) -> bool:
    """Whether the `DefElem` of an option is anything but plainly off."""
    return _value(option) not in _OFF


def _value(option: Mapping[str, Any]) -> str:
    argument = option.get("arg")
    if argument is None:
        return "on"
    if "Integer" in argument:
        return str(argument["Integer"].get("ival", 0))
    if "Boolean" in argument:
        return str(argument["Boolean"].get("boolval", False)).lower()
    return "".join(texts([argument])).lower()


def _offence_of_explain(tree: Mapping[str, Any]) -> str | None:
    ((node, explained),) = tree["query"].items()
    if not analyzes(tree):
        return _offence_of_plan(node, explained)
    found = offence(node, explained)
    return f"EXPLAIN ANALYZE of {found}" if found else None


def _offence_of_plan(node: str, tree: Mapping[str, Any]) -> str | None:
    # Planned, not run; a nested write neither.
    if node not in {*_WRITES, "SelectStmt"}:
        return f"EXPLAIN of {_named(node)}"
    return next((found for found in _offences_within(tree) if found not in _WRITES_IN_CTE), None)


def _offence_of_select(tree: Mapping[str, Any]) -> str | None:
    return next(_offences_within(tree), None)


def _offences_within(tree: Mapping[str, Any]) -> Iterator[str]:
    return filter(None, (_offence_of_part(key) for key, _ in walk(tree)))


def _offence_of_part(key: str) -> str | None:
    if key == "intoClause":
        return "SELECT INTO"
    if key in {"lockingClause", "LockingClause"}:
        return "SELECT FOR UPDATE or SHARE"
    if key in _WRITES:
        return _in_cte(_WRITES[key])
    # Nodes begin with a capital; `selectStmt` is a member of one.
    if key.endswith("Stmt") and key[0].isupper() and key != "SelectStmt":
        return _named(key)
    return None


def _in_cte(write: str) -> str:
    return f"{write} in a WITH"


_WRITES_IN_CTE = {_in_cte(write) for write in _WRITES.values()}

_NAMES = {
    **_WRITES,
    "AlterSystemStmt": "ALTER SYSTEM",
    "CallStmt": "CALL",
    "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE",
    "CopyStmt": "COPY",
    "CreateTableAsStmt": "CREATE TABLE AS",
    "DeallocateStmt": "DEALLOCATE",
    "DeclareCursorStmt": "DECLARE CURSOR",
    "DiscardStmt": "DISCARD",
    "DoStmt": "DO",
    "ExecuteStmt": "EXECUTE",
    "FetchStmt": "FETCH",
    "GrantRoleStmt": "GRANT or REVOKE",
    "GrantStmt": "GRANT or REVOKE",
    "ListenStmt": "LISTEN",
    "LoadStmt": "LOAD",
    "LockStmt": "LOCK TABLE",
    "NotifyStmt": "NOTIFY",
    "PrepareStmt": "PREPARE",
    "RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW",
    "TransactionStmt": "transaction control",
    "TruncateStmt": "TRUNCATE",
    "UnlistenStmt": "UNLISTEN",
    "VacuumStmt": "VACUUM or ANALYZE",
    "VariableSetStmt": "SET or RESET",
}


def _named(node: str) -> str:
    return _NAMES.get(node) or _words(node.removesuffix("Stmt"))


def _words(name: str) -> str:
    # "CreateSeq" is "CREATE SEQ": near enough to be understood.
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip().upper()
