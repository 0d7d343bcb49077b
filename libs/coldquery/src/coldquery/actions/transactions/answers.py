from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator
from typing_extensions import TypedDict


def level_written(level: Any) -> Any:
    """An isolation level as PostgreSQL writes it: `REPEATABLE_READ` is `repeatable read`."""
    if not isinstance(level, str):
        return level
    return " ".join(level.lower().replace("_", " ").replace("-", " ").split())


Level = Literal["read committed", "repeatable read", "serializable"]
IsolationLevel = Annotated[Level, BeforeValidator(level_written)]
"""As an argument: in capitals, or with underscores or hyphens, it is the same level."""


class BegunAnswer(TypedDict):
    """`session_id` goes into the calls that belong to the transaction."""

    session_id: str
    isolation_level: Level
    read_only: bool
    expires_in_seconds: int


class EndedAnswer(TypedDict):
    """The session is closed, and all of it is there or none."""

    session_id: str
    outcome: Literal["committed", "rolled back"]


class SavepointAnswer(TypedDict):
    """What became of the savepoint; the session goes on."""

    session_id: str
    savepoint_name: str
    outcome: Literal["set", "released", "rolled back to"]
    hint: NotRequired[str]


class SessionAnswer(TypedDict):
    """An open session. `failed`: a statement failed in it, so it has to be rolled back, or to a savepoint."""

    session_id: str
    state: Literal["idle in transaction", "failed"]
    isolation_level: Level
    read_only: bool
    age_seconds: int
    idle_seconds: int
    expires_in_seconds: int
    open_cursors: int


class SessionsAnswer(TypedDict):
    """The sessions of the caller, the oldest first."""

    sessions: list[SessionAnswer]
