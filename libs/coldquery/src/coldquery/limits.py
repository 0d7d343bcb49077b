from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is answered, how long it may take, and how many may be at it."""

    max_rows: int = 1000
    """Rows of an answer, unless fewer are asked for; more cannot be."""
    max_bytes: int = 1_000_000
    """Bytes of the rows of an answer, as JSON, within a row."""
    timeout_ms: int = 30_000
    """Milliseconds that a statement may take, unless less is asked for; more cannot be."""
    max_sessions: int = 10
    session_seconds: float = 1800
    """How long a session may be idle."""
    reserved: int = 5
    """Connections that no session gets."""
    cursor_seconds: float = 60
    """How long a cursor outside a session may be idle."""
    wait_seconds: float = 5
    """How long a call waits for a free connection."""
