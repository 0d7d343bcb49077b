# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from coldquery.caller import Caller
from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import translated
from coldquery.connections.pool import CLEAN_UP_SECONDS, Connection, Pool
from coldquery.connections.portal import Portal, Row
from coldquery.connections.session import Session
from coldquery.connections.sessions import Sessions
from coldquery.connections.timeout import Timeout, limited
from coldquery.connections.transactions import begin_read, read_only_part
from coldquery.errors import ColdQueryError, NoSuchCursor, Refused
from coldquery.limits import Limits
from coldquery.statements.reading import Reached, require_harmless
from coldquery.values.outgoing import Column

IS_OPEN = "SELECT true FROM pg_catalog.pg_cursors WHERE name OPERATOR(pg_catalog.=) $1"
CURSORS_OF_A_SESSION = 10
"""The oldest is closed for a new one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows of a read, JSON-safe.

    `cursor` continues where there is more, once: the next page has another. It is None on the last page, and
    where there was no room to keep the rest (then `truncated` is true all the same).
    """

    columns: list[Column]
    rows: list[Row]
    truncated: bool
    cursor: str | None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class _Ask:
    caller: Caller
    timeout: Timeout
    max_rows: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Opening:
    """A read that has not begun."""

    sql: str
    params: Sequence[Any] | None
    reached: Reached

    async def portal(self, connection: Connection) -> Portal:
        await require_harmless(connection, self.reached)
        return await Portal.opened(connection, self.sql, self.params)


@dataclass(slots=True, eq=False)
class _Kept:
    """A read outside any session, of which there is more."""

    key_id: str
    connection: Connection
    portal: Portal
    used: float


class Cursors:
    """Reads in pages; the rest of one that has more is kept in its transaction until it is asked for."""

    def __init__(
        self, pool: Pool, sessions: Sessions, limits: Limits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._limits = limits
        self._clock = clock
        self._kept = dict[str, _Kept]()
        # Two reads can go on beside them.
        self._room = max(0, limits.reserved - 2)

    async def read(
        self,
        caller: Caller,
        sql: str,
        params: Sequence[Any] | None,
        session_id: str | None,
        timeout: Timeout,
        reached: Reached,
        max_rows: int,
        max_bytes: int,
    ) -> Page:
        """The first page of `sql`, in a read-only transaction, with `params` as JSON has them.

        `max_bytes` is passed only by a single row that has more. Raises what `statements` and `values` refuse,
        StatementFailed, TimedOut, Busy, DatabaseAway, NoSuchSession and SessionLost.
        """
        opening = _Opening(sql, params, reached)
        ask = _Ask(caller, timeout, max_rows, max_bytes)
        if session_id is None:
            with translated():
                connection = await self._pool.borrow(begin_read(timeout))
                return await self._page_alone(connection, opening, ask)
        async with self._sessions.using(caller, session_id, timeout) as session:
            return await self._page_in(session, opening, ask)

    async def more(
        self,
        caller: Caller,
        cursor_id: str,
        max_rows: int,
        max_bytes: int,
        timeout: Timeout,
        sql: str | None = None,
    ) -> Page:
        """The next page; the cursor is used up even if that fails. Raises NoSuchCursor, and what `read` does.

        `sql`, where it is given, has to be the statement that the cursor belongs to.
        """
        ask = _Ask(caller, timeout, max_rows, max_bytes)
        kept = self._kept.get(cursor_id)
        if kept is not None and kept.key_id == caller.key_id and not self._is_expired(kept):
            _require_same(kept.portal, sql)
            del self._kept[cursor_id]
            with translated():
                return await self._page_alone(kept.connection, kept.portal, ask)
        session_id = self._sessions.holding(caller, cursor_id)
        if session_id is None:
            raise self._no_such_cursor()
        async with self._sessions.using(caller, session_id, timeout) as session:
            portal = session.cursors.get(cursor_id)
            if portal is None:
                raise self._no_such_cursor()
            _require_same(portal, sql)
            del session.cursors[cursor_id]
            return await self._page_in(session, portal, ask)

    async def expire(self) -> None:
        """Close those outside sessions that nobody asked for in time."""
        await self._close([cursor_id for cursor_id, kept in self._kept.items() if self._is_expired(kept)])

    async def make_way(self, caller: Caller, session: Session | None = None) -> None:
        """Close the cursors of the caller outside sessions, and those of `session`, which has to be in use."""
        await self._close(
            [cursor_id for cursor_id, kept in self._kept.items() if kept.key_id == caller.key_id]
        )
        while session and session.cursors:
            await _close_oldest(session)

    async def stop(self) -> None:
        await self._close(list(self._kept))

    async def _page_alone(self, connection: Connection, source: "_Opening | Portal", ask: "_Ask") -> Page:
        """A page by a borrowed connection, which is given back unless there is more and room to keep it."""
        try:
            async with limited(ask.timeout):
                portal = await _portal_alone(connection, source, ask.timeout)
                rows = await portal.page(ask.max_rows, ask.max_bytes)
        except BaseException as error:
            await to_its_end(self._pool.give_back(connection, broke_off=True))
            await self._pool.renew_after(error)
            raise
        if portal.is_at_end or not self._room:
            await to_its_end(self._pool.give_back(connection))
            return _page(portal, rows, None)
        cursor_id = secrets.token_urlsafe(24)
        self._kept[cursor_id] = _Kept(ask.caller.key_id, connection, portal, self._clock())
        await self._close(list(self._kept)[: -self._room])
        return _page(portal, rows, cursor_id)

    async def _page_in(self, session: Session, source: "_Opening | Portal", ask: "_Ask") -> Page:
        connection, hint = session.connection, session.hint
        async with limited(ask.timeout), read_only_part(connection, ask.timeout):
            portal = source if isinstance(source, Portal) else await source.portal(connection)
            try:
                rows = await portal.page(ask.max_rows, ask.max_bytes)
                if portal.is_at_end:
                    await connection.execute(portal.closing)
            except asyncpg.InvalidCursorNameError as error:  # something in the session closed it
                raise self._no_such_cursor() from error
        if portal.is_at_end:
            return _page(portal, rows, None, hint)
        while len(session.cursors) >= CURSORS_OF_A_SESSION:
            await _close_oldest(session)
        cursor_id = secrets.token_urlsafe(24)
        session.cursors[cursor_id] = portal
        return _page(portal, rows, cursor_id, hint)

    async def _close(self, cursor_ids: Sequence[str]) -> None:
        for cursor_id in cursor_ids:
            # One after the other: if this is cancelled, those that are left are still known.
            if kept := self._kept.pop(cursor_id, None):
                await to_its_end(self._pool.give_back(kept.connection))

    def _is_expired(self, kept: _Kept) -> bool:
        return self._clock() - kept.used >= self._limits.cursor_seconds

    def _no_such_cursor(self) -> ColdQueryError:
        return NoSuchCursor(
            "There is no such cursor: it was used already, came to its end, was not used for "
            f"{self._limits.cursor_seconds:g} s, made room for a newer one or for a change of the schema, ended with its session or a rollback to a savepoint, or is not yours.",
            hint="Run the read again without cursor, in a session if the pages are far apart.",
        )


def _require_same(portal: Portal, sql: str | None) -> None:
    if sql is not None and sql != portal.sql:
        raise Refused("The cursor belongs to another statement.", hint="Give the cursor without sql.")


async def _portal_alone(connection: Connection, source: _Opening | Portal, timeout: Timeout) -> Portal:
    if isinstance(source, _Opening):
        return await source.portal(connection)
    await connection.execute(timeout.sql)
    return source


async def _close_oldest(session: Session) -> None:
    portal = session.cursors.pop(next(iter(session.cursors)))
    await to_its_end(_closed(session.connection, portal))


async def _closed(connection: Connection, portal: Portal) -> None:
    # Something in the session may have closed it, and to close it again would fail the transaction.
    if await connection.fetchval(IS_OPEN, portal.name, timeout=CLEAN_UP_SECONDS):
        await connection.execute(portal.closing, timeout=CLEAN_UP_SECONDS)


def _page(portal: Portal, rows: list[Row], cursor: str | None, hint: str | None = None) -> Page:
    return Page(portal.columns, rows, not portal.is_at_end, cursor, hint)
