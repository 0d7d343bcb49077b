from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.transactions.answers import SavepointAnswer
from coldquery.connections.timeout import Timeout
from coldquery.statements.identifiers import quoted


async def savepoint(context: Context, *, session_id: str, savepoint_name: str) -> SavepointAnswer:
    """Mark this point of the session's transaction, to go back to it."""
    timeout = Timeout.asked(None, context.limits)
    hint = await context.connections.sessions.savepoint(context.caller, session_id, savepoint_name, timeout)
    answer = SavepointAnswer(session_id=session_id, savepoint_name=savepoint_name, outcome="set")
    return hinted(answer, hint)


async def release(context: Context, *, session_id: str, savepoint_name: str) -> SavepointAnswer:
    """Forget the savepoint, and keep what was done since. Raises StatementFailed (3B001) if there is none."""
    timeout = Timeout.asked(None, context.limits)
    hint = await context.connections.sessions.release(context.caller, session_id, savepoint_name, timeout)
    answer = SavepointAnswer(session_id=session_id, savepoint_name=savepoint_name, outcome="released")
    return hinted(answer, hint)


async def back_to(context: Context, session_id: str, savepoint_name: str) -> SavepointAnswer:
    """Undo what was done since the savepoint, which stays. Raises StatementFailed (3B001) if there is none."""
    timeout = Timeout.asked(None, context.limits)
    hint = await context.connections.sessions.rollback_to(context.caller, session_id, savepoint_name, timeout)
    context.audit.wrote(context.caller, session_id, f"ROLLBACK TO SAVEPOINT {quoted(savepoint_name)}", None)
    answer = SavepointAnswer(session_id=session_id, savepoint_name=savepoint_name, outcome="rolled back to")
    return hinted(answer, hint)
