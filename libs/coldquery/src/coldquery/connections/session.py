# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from coldquery.connections.pool import Connection, is_lost
from coldquery.connections.portal import Portal
from coldquery.connections.timeout import Timeout
from coldquery.errors import Busy

HINT_BELOW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its caller may see it; times in seconds."""

    session_id: str
    isolation_level: str
    read_only: bool
    failed: bool
    """Whether a statement of its transaction failed: only a rollback can follow."""
    age_seconds: float
    idle_seconds: float
    expires_in_seconds: float
    open_cursors: int


@dataclass(slots=True, eq=False)
class Session:
    """A transaction that outlives a call, on a connection of its own."""

    id: str
    key_id: str
    connection: Connection
    isolation_level: str
    read_only: bool
    ttl_seconds: float
    clock: Callable[[], float]
    failed: bool = False
    cursors: dict[str, Portal] = field(default_factory=dict[str, Portal])
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    began: float = 0.0
    used: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.used = self.clock()

    @property
    def left_seconds(self) -> float:
        return max(0.0, self.used + self.ttl_seconds - self.clock())

    @property
    def is_expired(self) -> bool:
        """Idle for too long; one that is in use is not idle."""
        return not self.lock.locked() and self.clock() - self.used >= self.ttl_seconds

    @property
    def is_lost(self) -> bool:
        return is_lost(self.connection)

    @property
    def has_transaction(self) -> bool:
        return not self.is_lost and self.connection.is_in_transaction()

    @property
    def hint(self) -> str | None:
        """What to tell whoever nearly came too late."""
        if self.left_seconds >= HINT_BELOW_SECONDS:
            return None
        return (
            f"The session had {self.left_seconds:.0f} s left before it would have been rolled back. Idle for "
            f"{self.ttl_seconds:.0f} s, it is: commit or roll back soon."
        )

    def touch(self) -> None:
        self.used = self.clock()

    @asynccontextmanager
    async def in_turn(self, timeout: Timeout) -> AsyncGenerator[None]:
        """One call at a time. Raises Busy if the others take longer than the call may."""
        try:
            async with asyncio.timeout(timeout.seconds):
                await self.lock.acquire()
        except TimeoutError as error:
            raise Busy(
                f"Other calls on this session took longer than {timeout.ms} ms.",
                hint="Wait for their answers, then try again.",
            ) from error
        try:
            yield
        finally:
            self.lock.release()

    def view(self) -> SessionView:
        now = self.clock()
        return SessionView(
            session_id=self.id,
            isolation_level=self.isolation_level,
            read_only=self.read_only,
            failed=self.failed,
            age_seconds=now - self.began,
            idle_seconds=0.0 if self.lock.locked() else now - self.used,
            expires_in_seconds=self.left_seconds,
            open_cursors=len(self.cursors),
        )
