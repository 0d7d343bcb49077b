"""What asyncpg and the network say, in the words of `coldquery.errors`; here and nowhere else."""

from collections.abc import Generator
from contextlib import contextmanager

import asyncpg

from coldquery.errors import ColdQueryError, DatabaseAway, Refused, StatementFailed, TimedOut

LOST_HINT = "Nothing of it was kept. Try it again."
WRITE_HINT = (
    "A read cannot write. To write, use the action write with autocommit: true, or with the session_id "
    "of a session that pg_tx begin opened with read_only: false."
)
HINTS = {
    "25P02": "Use pg_tx rollback to end the session, or to go back to a savepoint give its savepoint_name.",
    "25006": WRITE_HINT,
    "40001": "The whole transaction has to be rolled back and tried again.",
    "40P01": "The whole transaction has to be rolled back and tried again.",
    "42501": "The role of this server lacks the privilege; ask whoever runs it.",
    "55P03": "Another transaction holds the lock; see pg_monitor locks, and try again.",
}

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""All that asyncpg and the network raise."""

_SHUT_DOWN = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
_CLOSED = ("connection is closed", "released back to the pool", "closed in the middle", "pool is clos")


def is_loss(error: BaseException) -> bool:
    """Whether the connection is gone with it."""
    if isinstance(error, asyncpg.PostgresError):
        # A function or another server behind a foreign table may say so, too: then it is an ERROR, and the
        # connection goes on. What the driver itself raises has no severity.
        return _text(error, "severity_en") != "ERROR" and (
            _sqlstate(error) in _SHUT_DOWN or _sqlstate(error).startswith("08")
        )
    if isinstance(error, asyncpg.InterfaceError):
        return any(words in str(error) for words in _CLOSED)
    if isinstance(error, asyncpg.InternalClientError):
        # So it is between PostgreSQL's last words and the end of the connection.
        return not isinstance(error, asyncpg.OutdatedSchemaCacheError)
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


@contextmanager
def translated() -> Generator[None]:
    """Raise what PostgreSQL, asyncpg or the network say as a ColdQueryError.

    A lost connection is DatabaseAway, PostgreSQL's own cancel TimedOut, other words of PostgreSQL
    StatementFailed; what only a defect of this server explains goes through as it is.
    """
    try:
        yield
    except FAILURES as error:
        told = translation(error)
        if told is None:
            raise
        raise told from error


@contextmanager
def connecting() -> Generator[None]:
    """Raise what goes wrong before the first statement as DatabaseAway, as that may name host and user."""
    try:
        yield
    except FAILURES as error:
        raise DatabaseAway(
            _why_no_connection(error), hint="Try again; if it stays so, ask whoever runs it."
        ) from error


def translation(error: Exception) -> ColdQueryError | None:
    """What `error` is here, or None if it should not have happened."""
    if is_loss(error):
        return DatabaseAway("The connection to PostgreSQL was lost.", hint=LOST_HINT)
    if isinstance(error, TimeoutError):
        return TimedOut("PostgreSQL did not answer in time.", hint=LOST_HINT)
    if isinstance(error, asyncpg.PostgresError):
        return _statement_failed(error)
    return _not_understood(error)


def _statement_failed(error: asyncpg.PostgresError) -> ColdQueryError:
    sqlstate = _sqlstate(error)
    # PostgreSQL has one SQLSTATE for its timeout and for an administrator's cancel.
    if sqlstate == "57014" and "user request" not in str(error):
        return TimedOut(
            f"PostgreSQL ended it: {_first(error)}.",
            hint="Ask for less at once (a narrower WHERE, a LIMIT), or give a larger timeout_ms.",
            sqlstate=sqlstate,
        )
    return StatementFailed(
        _first(error),
        sqlstate=sqlstate,
        position=_position(error),
        hint=_hint(error) or HINTS.get(sqlstate),
        detail=_text(error, "detail"),
    )


def _not_understood(error: Exception) -> ColdQueryError | None:
    if isinstance(error, asyncpg.UnsupportedClientFeatureError):
        return Refused(f"{error}.", hint="Cast that column to text.")
    if isinstance(error, asyncpg.OutdatedSchemaCacheError):
        return StatementFailed("A type was changed meanwhile.", sqlstate="0A000", hint="Try it again.")
    return None


def _why_no_connection(error: Exception) -> str:
    """Without the driver's words: they have the address, the user or the database."""
    sqlstate = _sqlstate(error) if isinstance(error, asyncpg.PostgresError) else ""
    if isinstance(error, TimeoutError):
        return "PostgreSQL did not answer in time."
    if sqlstate.startswith("28"):
        return "PostgreSQL did not let this server in: its user or password is wrong, or no rule allows it."
    if sqlstate == "3D000":
        return "PostgreSQL has no database of the name that this server is set up with."
    if sqlstate == "53300":
        return "PostgreSQL has no connection left for this server."
    if sqlstate.startswith("57P"):
        return "PostgreSQL is starting or stopping."
    return "PostgreSQL cannot be reached."


def _sqlstate(error: asyncpg.PostgresError) -> str:
    return _text(error, "sqlstate") or "XX000"


def _first(error: asyncpg.PostgresError) -> str:
    # str() of it goes on with the detail and the hint.
    return str(error.args[0]) if error.args else "unknown error"


def _text(error: asyncpg.PostgresError, field: str) -> str | None:
    return getattr(error, field, None) or None


def _hint(error: asyncpg.PostgresError) -> str | None:
    # The driver adds advice for whoever writes programs with it.
    hint, _, _ = (_text(error, "hint") or "").partition("\nNOTE: pgbouncer")
    return hint or None


def _position(error: asyncpg.PostgresError) -> int | None:
    position = _text(error, "position")
    return int(position) if position else None
