import re
from typing import Protocol

import structlog

from coldquery.caller import Caller
from coldquery.statements.kinds import loggable
from coldquery.statements.statement import Statement

# In quotes stand names, which the statement has too, and values, which may be those of parameters.
_QUOTED = re.compile("""["«»„“].*["»«”“]""", re.DOTALL)


class Audit(Protocol):
    """Is told of each write once it is done; what fails or is rolled back with its call is told with its reason."""

    def wrote(
        self, caller: Caller, session_id: str | None, statement: Statement | str, rows: int | None
    ) -> None: ...

    def failed(
        self, caller: Caller, session_id: str | None, statement: Statement | str, reason: str
    ) -> None: ...


class LoggedAudit:
    """Writes of it into the structured log of the process."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("coldquery.audit")

    def wrote(
        self, caller: Caller, session_id: str | None, statement: Statement | str, rows: int | None
    ) -> None:
        self._log.info(
            "write", key_id=caller.key_id, session=_short(session_id), statement=_text(statement), rows=rows
        )

    def failed(self, caller: Caller, session_id: str | None, statement: Statement | str, reason: str) -> None:
        self._log.warning(
            "write_failed",
            key_id=caller.key_id,
            session=_short(session_id),
            statement=_text(statement),
            reason=_QUOTED.sub('"…"', reason),
        )


def _short(session_id: str | None) -> str | None:
    # Whoever knows all of it could use the session.
    return session_id[:8] if session_id else None


def _text(statement: Statement | str) -> str:
    return statement if isinstance(statement, str) else loggable(statement)
