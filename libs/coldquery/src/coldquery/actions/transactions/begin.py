from typing import cast, get_args

from coldquery.actions.context import Context
from coldquery.actions.transactions.answers import BegunAnswer, IsolationLevel, Level, level_written
from coldquery.errors import Refused


async def begin(
    context: Context, *, isolation_level: IsolationLevel | None = None, read_only: bool | None = None
) -> BegunAnswer:
    """Open a session: a transaction over several calls, read-write if the caller may write, unless `read_only`.

    Raises NotAllowed for `read_only` false without the scope write, TooManySessions, Busy, DatabaseAway.
    """
    session = await context.connections.sessions.begin(
        context.caller,
        level_of(isolation_level or "read committed"),
        read_only=not context.caller.may_write if read_only is None else read_only,
    )
    return BegunAnswer(
        session_id=session.session_id,
        isolation_level=level_of(session.isolation_level),
        read_only=session.read_only,
        expires_in_seconds=round(session.expires_in_seconds),
    )


def level_of(level: str) -> Level:
    written = level_written(level)
    if written not in get_args(Level):
        raise Refused(f"isolation_level is {level!r}, and is one of {', '.join(get_args(Level))}.")
    return cast("Level", written)
