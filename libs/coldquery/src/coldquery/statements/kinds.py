"""Questions about statements that are more than reads, answered by their syntax."""

from collections.abc import Callable, Mapping
from typing import Any

from coldquery.statements.classification import switched_on
from coldquery.statements.loggable import loggable
from coldquery.statements.nodes import walk
from coldquery.statements.statement import Statement

__all__ = ["alters", "copies", "creates", "loggable", "outside_transaction", "transaction_control"]

_NEVER_INSIDE = {
    "AlterSystemStmt",
    "CallStmt",
    "CreateSubscriptionStmt",
    "CreateTableSpaceStmt",
    "CreatedbStmt",
    "DoStmt",
    "DropSubscriptionStmt",
    "DropTableSpaceStmt",
    "DropdbStmt",
}
_WHOLE = {"REINDEX_OBJECT_SCHEMA", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_DATABASE"}
_OUTSIDE_IF: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "AlterDatabaseStmt": lambda tree: ("defname", "tablespace") in walk(tree),
    "AlterSubscriptionStmt": lambda tree: tree.get("kind") != "ALTER_SUBSCRIPTION_OPTIONS",
    "ClusterStmt": lambda tree: "relation" not in tree,
    "DiscardStmt": lambda tree: tree.get("target") == "DISCARD_ALL",
    "ReindexStmt": lambda tree: tree.get("kind") in _WHOLE,
    "VacuumStmt": lambda tree: bool(tree.get("is_vacuumcmd")),
}
_CREATING = {"ViewStmt", "IndexStmt", "RuleStmt", "DefineStmt", "CompositeTypeStmt"}


def outside_transaction(statement: Statement) -> bool:
    """Whether it has to run outside a transaction block, or may end the transaction it is in."""
    return statement.node in _NEVER_INSIDE or _concurrently(statement) or _sometimes_outside(statement)


def _concurrently(statement: Statement) -> bool:
    if statement.node == "RefreshMatViewStmt":
        return False
    return any(
        value is True if key == "concurrent" else key == "DefElem" and _on_concurrently(value)
        for key, value in walk(statement.tree)
    )


def _on_concurrently(option: Mapping[str, Any]) -> bool:
    return option["defname"] == "concurrently" and switched_on(option)


def _sometimes_outside(statement: Statement) -> bool:
    condition = _OUTSIDE_IF.get(statement.node)
    return condition is not None and condition(statement.tree)


def transaction_control(statement: Statement) -> bool:
    """Whether it begins, ends or marks a transaction, which is the work of `pg_tx`."""
    return statement.node == "TransactionStmt"


def copies(statement: Statement) -> bool:
    """Whether it is a COPY FROM STDIN or TO STDOUT, whose data no tool can send or take."""
    return statement.node == "CopyStmt" and not statement.tree.get("filename")


def creates(statement: Statement) -> bool:
    """Whether it is a CREATE, of whatever kind."""
    return statement.node in _CREATING or statement.node.startswith("Create")


def alters(statement: Statement) -> bool:
    """Whether it is an ALTER of something in a database, of a role or of a database."""
    return statement.node == "RenameStmt" or (
        statement.node.startswith("Alter") and statement.node != "AlterSystemStmt"
    )
