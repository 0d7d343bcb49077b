"""What goes wrong, in the words of whoever asked; no text here holds an address or a secret."""


class ColdQueryError(Exception):
    """The message says what to do next, or `hint` does."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.operation: int | None = None
        """Which of several operations failed, counted from 0."""


class Refused(ColdQueryError):
    """What was asked is not done: it is more than a read, or cannot be done as it was asked.

    `position` counts the characters of the statement from 1, where one is meant; `sqlstate` is what PostgreSQL
    would say of it.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        position: int | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.position = position
        self.sqlstate = sqlstate


class NotAllowed(ColdQueryError):
    """The key of the caller lacks the scope."""


class StatementFailed(ColdQueryError):
    """PostgreSQL's own words, with the SQLSTATE and the position in the statement, counted from 1."""

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str,
        position: int | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.position = position
        self.detail = detail


class TimedOut(ColdQueryError):
    """It took longer than it may, and was cancelled; with an SQLSTATE by PostgreSQL, else by this server."""

    def __init__(self, message: str, *, hint: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class NoSuchSession(ColdQueryError):
    """There is none of that id, or it is another caller's."""


class TooManySessions(ColdQueryError):
    """As many as there may be are open."""


class SessionLost(ColdQueryError):
    """Its connection was lost, and with it all that was not committed."""


class NoSuchCursor(ColdQueryError):
    """It came to its end, was not used for too long, or is another caller's."""


class Busy(ColdQueryError):
    """No connection was free in time."""


class DatabaseAway(ColdQueryError):
    """PostgreSQL cannot be reached, or does not let this server in."""


class OutcomeUnknown(ColdQueryError):
    """The connection was lost while committing: it may be done or not."""
