# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
"""How transactions begin and end, outside a session and within one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import FAILURES, is_loss, translated
from coldquery.connections.pool import CLEAN_UP_SECONDS, Connection, cut_off, is_lost
from coldquery.connections.timeout import GRACE_SECONDS, Timeout, is_cut_short, limited
from coldquery.errors import OutcomeUnknown, StatementFailed

# A session may have set them otherwise, and both the parser and the codecs take text for this.
PLAIN_TEXT = "SET LOCAL standard_conforming_strings = on; SET LOCAL client_encoding = 'UTF8'"
# No name that somebody would give: undoing this part must not go back to theirs.
OWN_SAVEPOINTS = "coldquery: "
"""How the names of all our savepoints begin, and of no others."""
READ_SAVEPOINT = '"coldquery: read"'
# There is none of that name, so it lets the transaction fail.
NO_SAVEPOINT = 'ROLLBACK TO SAVEPOINT "coldquery: cut short"'

ISOLATION_LEVELS = ("read committed", "repeatable read", "serializable")


def begin_read(timeout: Timeout) -> str:
    # Repeatable read: the check of what is reached and the read itself see the same.
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {timeout.sql}"


def begin_write(timeout: Timeout) -> str:
    return f"BEGIN READ WRITE; {timeout.sql}"


def begin_bare(timeout: Timeout) -> str:
    """For statements that PostgreSQL takes outside a transaction block only."""
    return f"SET default_transaction_read_only = off; SET statement_timeout = {timeout.ms}"


def begin_session(isolation_level: str, *, read_only: bool) -> str:
    begin = f"BEGIN ISOLATION LEVEL {isolation_level.upper()} READ {'ONLY' if read_only else 'WRITE'}"
    # Were the first statement a read of ours, PostgreSQL would take the whole transaction for a reader, whose
    # conflicts with others do not count.
    return f"{begin}; SELECT" if isolation_level == "serializable" and not read_only else begin


@asynccontextmanager
async def read_only_part(connection: Connection, timeout: Timeout) -> AsyncGenerator[None]:
    """Within a session's transaction: nothing is written, and a failure leaves the transaction as it was.

    What is left open in it, such as a portal, stays open in the transaction.
    """
    try:
        await to_its_end(
            connection.execute(
                f"SAVEPOINT {READ_SAVEPOINT}; SET LOCAL transaction_read_only = on; {PLAIN_TEXT}; {timeout.sql}",
                timeout=CLEAN_UP_SECONDS,
            )
        )
        yield
    except BaseException:
        await to_its_end(_undo_part(connection))
        raise
    # PostgreSQL makes the transaction writable again, if it was, as this part of it ends.
    await to_its_end(_or_cut_off(connection, f"RELEASE SAVEPOINT {READ_SAVEPOINT}"))


async def _or_cut_off(connection: Connection, sql: str) -> None:
    try:
        await connection.execute(sql, timeout=CLEAN_UP_SECONDS)
    except FAILURES:
        # What it would leave open is not known.
        cut_off(connection)
        raise


async def _undo_part(connection: Connection) -> None:
    """If the transaction had failed before, there is no such savepoint, and it stays as it is."""
    undo = f"ROLLBACK TO SAVEPOINT {READ_SAVEPOINT}; RELEASE SAVEPOINT {READ_SAVEPOINT}"
    try:
        if not is_lost(connection):
            await connection.execute(undo, timeout=CLEAN_UP_SECONDS)
    except asyncpg.InvalidSavepointSpecificationError:
        pass
    except FAILURES:
        cut_off(connection)


@asynccontextmanager
async def write_part(connection: Connection, timeout: Timeout) -> AsyncGenerator[None]:
    """Within a session's transaction, which fails if this is cut short: then it may be done or not."""
    try:
        async with limited(timeout):
            await connection.execute(f"{timeout.sql}; {PLAIN_TEXT}")
            yield
    except BaseException as error:
        if is_cut_short(error):
            await to_its_end(_make_fail(connection))
        raise


async def _make_fail(connection: Connection) -> None:
    try:
        if not is_lost(connection):
            await connection.execute(NO_SAVEPOINT, timeout=CLEAN_UP_SECONDS)
    except asyncpg.InvalidSavepointSpecificationError:
        pass
    except FAILURES:
        cut_off(connection)


async def has_failed(connection: Connection) -> bool:
    """Whether only a rollback can follow in its transaction."""
    try:
        await connection.execute("SELECT", timeout=CLEAN_UP_SECONDS)
    except asyncpg.InFailedSQLTransactionError:
        return True
    except FAILURES:
        cut_off(connection)
        return True
    return False


async def commit(connection: Connection, timeout: Timeout) -> None:
    """Commit. Raises OutcomeUnknown if there was no answer, and StatementFailed if it was rolled back."""
    try:
        tag = await connection.execute("COMMIT", timeout=timeout.seconds + GRACE_SECONDS)
    except FAILURES as error:
        if is_loss(error) or isinstance(error, TimeoutError):
            cut_off(connection)
            raise outcome_unknown() from error
        with translated():
            raise
    if tag != "COMMIT":
        raise StatementFailed(
            "Nothing was committed: a statement of the transaction had failed, and PostgreSQL rolled it back.",
            sqlstate="25P02",
            hint="Begin again; after a failed statement, go back to a savepoint before going on.",
        )


def outcome_unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "PostgreSQL did not answer whether it was committed: it may be done or not.",
        hint="Read what should have been written before trying again.",
    )
