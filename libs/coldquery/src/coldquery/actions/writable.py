from coldquery.errors import Refused
from coldquery.statements.kinds import copies, outside_transaction, transaction_control
from coldquery.statements.parsing import parse
from coldquery.statements.statement import Statement

# These run anywhere; outside a transaction block they may also commit what they do piece by piece.
_RUN_INSIDE_TOO = {"CallStmt", "DoStmt"}
# Of a partitioned table these run outside only, and that it is one is not in their text.
_RUN_OUTSIDE_TOO = {"ReindexStmt", "ClusterStmt"}
# These take no lock that waits for a read.
_BESIDE_READS = {
    "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "VariableSetStmt", "VariableShowStmt",
    "DeclareCursorStmt", "FetchStmt", "ClosePortalStmt", "PrepareStmt", "DeallocateStmt", "ExplainStmt",
    "NotifyStmt", "ListenStmt", "UnlistenStmt",
}  # fmt: skip


def writable(sql: str) -> Statement:
    """The one statement in `sql`, if a write can run it; raises Refused else."""
    statement = parse(sql)
    if transaction_control(statement):
        raise Refused(
            "Transactions are begun and ended by the tool pg_tx (begin, commit, rollback, savepoint, release).",
            hint="To do several writes or none, use action transaction of pg_query.",
        )
    if copies(statement):
        raise Refused(
            "COPY FROM STDIN and TO STDOUT cannot be spoken through this tool.",
            hint="Read with SELECT. Write with INSERT, many rows at once from arrays: "
            "INSERT INTO t SELECT * FROM unnest($1::int[], $2::text[]).",
        )
    return statement


def may_run_bare(statement: Statement) -> bool:
    """Whether it is run outside a transaction block where there is no session: it may have to be."""
    return outside_transaction(statement) or statement.node in _RUN_OUTSIDE_TOO


def needs_way(statement: Statement) -> bool:
    """Whether it may wait for a lock or a snapshot that a mere read holds, such as that of an open cursor."""
    return statement.node not in _BESIDE_READS


def sets_new_connections(statement: Statement) -> bool:
    """Whether it changes what is set on connections that are opened from now on."""
    return statement.node in ("AlterRoleSetStmt", "AlterDatabaseSetStmt")


def must_run_alone(statement: Statement) -> bool:
    """Whether PostgreSQL refuses it within a transaction block."""
    return outside_transaction(statement) and statement.node not in _RUN_INSIDE_TOO
