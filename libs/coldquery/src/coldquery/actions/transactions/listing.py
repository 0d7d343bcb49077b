from coldquery.actions.context import Context
from coldquery.actions.transactions.answers import SessionAnswer, SessionsAnswer
from coldquery.actions.transactions.begin import level_of
from coldquery.connections.session import SessionView


async def list_sessions(context: Context) -> SessionsAnswer:
    """The sessions of the caller, the oldest first."""
    sessions = context.connections.sessions.list(context.caller)
    return SessionsAnswer(sessions=[_answer(session) for session in sessions])


def _answer(session: SessionView) -> SessionAnswer:
    return SessionAnswer(
        session_id=session.session_id,
        state="failed" if session.failed else "idle in transaction",
        isolation_level=level_of(session.isolation_level),
        read_only=session.read_only,
        age_seconds=round(session.age_seconds),
        idle_seconds=round(session.idle_seconds),
        expires_in_seconds=round(session.expires_in_seconds),
        open_cursors=session.open_cursors,
    )
