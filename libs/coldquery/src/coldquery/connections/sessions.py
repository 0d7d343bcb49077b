# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from coldquery.caller import Caller
from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import translated
from coldquery.connections.pool import Pool
from coldquery.connections.session import Session, SessionView
from coldquery.connections.timeout import GRACE_SECONDS, Timeout
from coldquery.connections.transactions import (
    ISOLATION_LEVELS,
    OWN_SAVEPOINTS,
    begin_session,
    commit,
    has_failed,
)
from coldquery.errors import (
    ColdQueryError,
    NoSuchSession,
    NotAllowed,
    Refused,
    SessionLost,
    TooManySessions,
)
from coldquery.limits import Limits
from coldquery.statements.identifiers import quoted
from coldquery.values.unreadable import TypeAltered

BEGIN_ANEW = "Begin a new one with pg_tx begin."


class Sessions:
    """The sessions of all callers; each sees its own only."""

    def __init__(self, pool: Pool, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._limits = limits
        self._clock = clock
        self._open = dict[str, Session]()
        self._opening = 0

    async def begin(
        self, caller: Caller, isolation_level: str = "read committed", *, read_only: bool
    ) -> SessionView:
        """Open one. Raises TooManySessions at once, NotAllowed, Refused, Busy and DatabaseAway."""
        if isolation_level not in ISOLATION_LEVELS:
            raise Refused(
                f"isolation_level is {isolation_level!r}, and is one of {', '.join(ISOLATION_LEVELS)}."
            )
        if not read_only and not caller.may_write:
            raise NotAllowed("Your key may not write.", hint="Begin with read_only: true.")
        self._require_room()
        self._opening += 1
        try:
            connection = await self._pool.borrow(begin_session(isolation_level, read_only=read_only))
        finally:
            self._opening -= 1
        session = Session(
            id=secrets.token_urlsafe(24),
            key_id=caller.key_id,
            connection=connection,
            isolation_level=isolation_level,
            read_only=read_only,
            ttl_seconds=self._limits.session_seconds,
            clock=self._clock,
        )
        self._open[session.id] = session
        return session.view()

    async def commit(self, caller: Caller, session_id: str, timeout: Timeout) -> None:
        """End it. Raises OutcomeUnknown, and StatementFailed if nothing was committed."""
        async with self.using(caller, session_id, timeout) as session:
            await to_its_end(self._commit(session, timeout))

    async def rollback(self, caller: Caller, session_id: str, timeout: Timeout) -> None:
        """End it, and keep nothing of it."""
        async with self.using(caller, session_id, timeout) as session:
            await to_its_end(self._close(session))

    async def savepoint(self, caller: Caller, session_id: str, name: str, timeout: Timeout) -> str | None:
        """Mark this point. Answers, as the other two of savepoints do, with what to tell about the session.

        Raises Refused for names that begin as those of this server do.
        """
        if name.startswith(OWN_SAVEPOINTS):
            raise Refused(
                f"Names that begin with {OWN_SAVEPOINTS!r} are this server's own.", hint="Take another."
            )
        return await self._execute(caller, session_id, f"SAVEPOINT {quoted(name)}", timeout)

    async def release(self, caller: Caller, session_id: str, name: str, timeout: Timeout) -> str | None:
        """Forget the savepoint; what was done since is kept. Raises StatementFailed (3B001) if there is none."""
        return await self._execute(caller, session_id, f"RELEASE SAVEPOINT {quoted(name)}", timeout)

    async def rollback_to(self, caller: Caller, session_id: str, name: str, timeout: Timeout) -> str | None:
        """Undo what was done since the savepoint; a failed transaction goes on from there. Closes its cursors."""
        # Cursors that are younger than the savepoint are gone, and what others have fetched may be undone.
        undo = f"ROLLBACK TO SAVEPOINT {quoted(name)}; CLOSE ALL"
        return await self._execute(caller, session_id, undo, timeout, closes_cursors=True)

    def list(self, caller: Caller) -> Sequence[SessionView]:
        """Those of the caller, the oldest first."""
        return [session.view() for session in self._of(caller)]

    def holding(self, caller: Caller, cursor_id: str) -> str | None:
        """The session of the caller in which the cursor is open."""
        return next((session.id for session in self._of(caller) if cursor_id in session.cursors), None)

    @asynccontextmanager
    async def using(self, caller: Caller, session_id: str, timeout: Timeout) -> AsyncGenerator[Session]:
        """The session, while nobody else uses it; errors come out translated.

        Raises NoSuchSession, Busy, and SessionLost if its transaction is gone before or afterwards.
        """
        session = await self._found(caller, session_id)
        async with session.in_turn(timeout):
            if session.id not in self._open:
                raise self._no_such_session()
            await self._require_transaction(session)
            try:
                with translated():
                    yield session
            except BaseException as error:
                await to_its_end(self._after_failure(session, error))
                raise
            finally:
                session.touch()
            if session.id in self._open:
                await self._require_transaction(session)

    async def expire(self) -> None:
        """Roll back and close those that were idle for too long."""
        for session in [session for session in self._open.values() if session.is_expired]:
            await to_its_end(self._close(session))

    async def stop(self) -> None:
        """Roll back and close those that nobody uses; the others end with the pool."""
        for session in [session for session in self._open.values() if not session.lock.locked()]:
            await to_its_end(self._close(session))
        self._open.clear()

    async def _execute(
        self, caller: Caller, session_id: str, sql: str, timeout: Timeout, *, closes_cursors: bool = False
    ) -> str | None:
        async with self.using(caller, session_id, timeout) as session:
            hint = session.hint
            # To its end, so that it is known whether it was done.
            await to_its_end(session.connection.execute(sql, timeout=timeout.seconds + GRACE_SECONDS))
            session.failed = False
            if closes_cursors:
                session.cursors.clear()
        return hint

    async def _commit(self, session: Session, timeout: Timeout) -> None:
        try:
            await commit(session.connection, timeout)
        finally:
            await self._close(session)

    async def _close(self, session: Session) -> None:
        # First of all nobody finds it any more.
        self._open.pop(session.id, None)
        session.cursors.clear()
        await self._pool.give_back(session.connection)

    async def _after_failure(self, session: Session, error: BaseException) -> None:
        """Know how the transaction is."""
        if session.id not in self._open:
            return
        if isinstance(error, TypeAltered):
            await session.connection.reload_schema_state()
        if not session.is_lost:
            session.failed = await has_failed(session.connection)
        if not session.has_transaction:
            await self._close(session)
            if isinstance(error, Exception):
                raise self._lost() from error

    async def _require_transaction(self, session: Session) -> None:
        if not session.has_transaction:
            await to_its_end(self._close(session))
            raise self._lost()

    def _of(self, caller: Caller) -> Sequence[Session]:
        return [session for session in self._open.values() if session.key_id == caller.key_id]

    async def _found(self, caller: Caller, session_id: str) -> Session:
        session = self._open.get(session_id)
        if session is None or session.key_id != caller.key_id:
            raise self._no_such_session()
        if session.is_expired:
            await to_its_end(self._close(session))
            raise self._no_such_session()
        return session

    def _require_room(self) -> None:
        alive = [session for session in self._open.values() if not session.is_lost]
        if len(alive) + self._opening < self._limits.max_sessions:
            return
        soonest = min((session.left_seconds for session in alive), default=self._limits.session_seconds)
        raise TooManySessions(
            f"All {self._limits.max_sessions} sessions are in use. The next expires in {soonest:.0f} s if nobody "
            "uses it.",
            hint="End one of yours with pg_tx commit or rollback (pg_tx list shows them), or try again later.",
        )

    def _no_such_session(self) -> ColdQueryError:
        return NoSuchSession(
            "There is no such session: it was committed or rolled back, was idle for more than "
            f"{self._limits.session_seconds:g} s, or is not yours.",
            hint=BEGIN_ANEW,
        )

    def _lost(self) -> ColdQueryError:
        return SessionLost(
            "The session's transaction is gone, as its connection was lost or something ended it; what was not "
            "committed was rolled back.",
            hint=BEGIN_ANEW,
        )
