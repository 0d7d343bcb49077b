# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from coldquery.caller import Caller
from coldquery.connections.cursors import Cursors
from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import FAILURES, is_loss, translated
from coldquery.connections.pool import Connection, Pool
from coldquery.connections.sessions import Sessions
from coldquery.connections.sweep import Sweep
from coldquery.connections.timeout import Timeout, is_cut_short, limited
from coldquery.connections.transactions import (
    begin_bare,
    begin_read,
    begin_write,
    commit,
    outcome_unknown,
    read_only_part,
    write_part,
)
from coldquery.errors import DatabaseAway, NotAllowed, Refused, TimedOut
from coldquery.limits import Limits
from coldquery.statements.reading import Reached, require_harmless


@dataclass(frozen=True, slots=True)
class Work:
    """A connection for the length of a call."""

    connection: Connection
    hint: str | None = None
    """What to tell about the session."""


class Connections:
    """The one owner of connections: the pool, and what borrows from it.

    `connect` are arguments of `asyncpg.connect`, `clock` gives seconds. Everything here raises
    ColdQueryError, also for what PostgreSQL says within `reading` and `writing`.
    """

    def __init__(
        self, connect: Mapping[str, Any], limits: Limits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._pool = Pool(connect, limits)
        self.sessions = Sessions(self._pool, limits, clock=clock)
        self.cursors = Cursors(self._pool, self.sessions, limits, clock=clock)
        self._sweep = Sweep([self.sessions.expire, self.cursors.expire])

    async def start(self) -> None:
        """The database need not be there yet."""
        await self._pool.start()
        self._sweep.start()

    async def stop(self) -> None:
        """Roll back and close everything, in bounded time."""
        await self._sweep.stop()
        await self.cursors.stop()
        await self.sessions.stop()
        await self._pool.stop()

    async def renew(self) -> None:
        """Have new connections from now on, for settings that hold for new ones only; sessions keep theirs."""
        await self._pool.renew()

    async def require_reachable(self) -> None:
        """Raises DatabaseAway or Busy if no statement can be run now."""
        async with self._pool.borrowed("SELECT"):
            pass

    @asynccontextmanager
    async def reading(
        self, caller: Caller, session_id: str | None, timeout: Timeout, reached: Reached
    ) -> AsyncGenerator[Work]:
        """A transaction, or a part of the session's, in which PostgreSQL lets nothing be written.

        Raises Refused if `reached` holds what may write, besides what the statements within raise.
        """
        if session_id is None:
            with translated():
                async with self._pool.borrowed(begin_read(timeout)) as connection, limited(timeout):
                    await require_harmless(connection, reached)
                    yield Work(connection)
            return
        async with self.sessions.using(caller, session_id, timeout) as session:
            connection, hint = session.connection, session.hint
            async with limited(timeout), read_only_part(connection, timeout):
                await require_harmless(connection, reached)
                yield Work(connection, hint)

    def writing(
        self,
        caller: Caller,
        session_id: str | None,
        *,
        autocommit: bool,
        timeout: Timeout,
        bare: bool = False,
        needs_way: bool = False,
    ) -> AbstractAsyncContextManager[Work]:
        """A transaction that is committed at the end, or with `session_id` the session's.

        `bare`: no transaction block, for statements that PostgreSQL takes outside of one only. `needs_way`: the
        caller's open cursors, which would keep a change of their tables waiting or fail it, are closed first.
        Raises NotAllowed, Refused, and OutcomeUnknown if the connection was lost while committing.
        """
        if not caller.may_write:
            raise NotAllowed("Your key may not write.", hint="Use a key that has the scope write.")
        if session_id is not None:
            return self._writing_in(
                caller, session_id, timeout, autocommit=autocommit, bare=bare, needs_way=needs_way
            )
        if not autocommit:
            raise Refused(
                "A write needs autocommit: true, which commits it at once, or the session_id of a session.",
                hint="pg_tx begin opens a session, in which nothing is kept until pg_tx commit.",
            )
        work = self._writing_bare(timeout) if bare else self._writing_alone(timeout)
        return self._with_way(caller, work) if needs_way else work

    @asynccontextmanager
    async def _with_way(
        self, caller: Caller, work: AbstractAsyncContextManager[Work]
    ) -> AsyncGenerator[Work]:
        await self.cursors.make_way(caller)
        async with work as found:
            yield found

    @asynccontextmanager
    async def _writing_in(
        self,
        caller: Caller,
        session_id: str,
        timeout: Timeout,
        *,
        autocommit: bool,
        bare: bool,
        needs_way: bool,
    ) -> AsyncGenerator[Work]:
        if autocommit:
            raise Refused("Give session_id or autocommit: true, not both.")
        if bare:
            raise Refused(
                "This cannot run in a transaction, and a session is one.",
                hint="Give autocommit: true and no session_id; nothing can roll it back then.",
            )
        async with self.sessions.using(caller, session_id, timeout) as session:
            if session.read_only:
                raise Refused(
                    "The session was begun with read_only: true.",
                    hint="Begin another with read_only: false, or use autocommit: true.",
                )
            hint = session.hint
            if needs_way:
                await self.cursors.make_way(caller, session)
            async with write_part(session.connection, timeout):
                yield Work(session.connection, hint)

    @asynccontextmanager
    async def _writing_alone(self, timeout: Timeout) -> AsyncGenerator[Work]:
        with translated():
            async with self._pool.borrowed(begin_write(timeout)) as connection:
                async with limited(timeout):
                    yield Work(connection)
                await to_its_end(commit(connection, timeout))

    @asynccontextmanager
    async def _writing_bare(self, timeout: Timeout) -> AsyncGenerator[Work]:
        with translated():
            async with self._pool.borrowed(begin_bare(timeout)) as connection:
                try:
                    async with limited(timeout):
                        yield Work(connection)
                except (*FAILURES, DatabaseAway, TimedOut) as error:
                    if _has_no_answer(error):
                        raise outcome_unknown() from error
                    raise


def _has_no_answer(error: Exception) -> bool:
    return isinstance(error, (DatabaseAway, TimeoutError)) or is_loss(error) or is_cut_short(error)
