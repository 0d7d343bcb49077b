from coldquery.actions.advice import advised
from coldquery.actions.audited import failures_audited
from coldquery.actions.context import Context
from coldquery.actions.transactions.answers import EndedAnswer, SavepointAnswer
from coldquery.actions.transactions.savepoints import back_to
from coldquery.connections.timeout import Timeout


async def commit(context: Context, *, session_id: str) -> EndedAnswer:
    """Keep what the session did, and end it.

    Raises OutcomeUnknown if PostgreSQL did not answer, and StatementFailed if it rolled back instead; the session
    is closed all the same.
    """
    timeout = Timeout.asked(None, context.limits)
    with failures_audited(context, session_id, ["COMMIT"]), advised(session_id):
        await context.connections.sessions.commit(context.caller, session_id, timeout)
    context.audit.wrote(context.caller, session_id, "COMMIT", None)
    return EndedAnswer(session_id=session_id, outcome="committed")


async def rollback(
    context: Context, *, session_id: str, savepoint_name: str | None = None
) -> EndedAnswer | SavepointAnswer:
    """Undo what the session did, and end it; with `savepoint_name` only what was done since, and go on."""
    if savepoint_name is not None:
        return await back_to(context, session_id, savepoint_name)
    timeout = Timeout.asked(None, context.limits)
    await context.connections.sessions.rollback(context.caller, session_id, timeout)
    context.audit.wrote(context.caller, session_id, "ROLLBACK", None)
    return EndedAnswer(session_id=session_id, outcome="rolled back")
