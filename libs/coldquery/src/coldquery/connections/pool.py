import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import asyncpg

from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import FAILURES, connecting, is_loss, translated
from coldquery.errors import Busy, DatabaseAway
from coldquery.limits import Limits
from coldquery.values.codecs import set_codecs
from coldquery.values.unreadable import TypeAltered

CLEAN_UP_SECONDS = 5.0
"""How long a connection may take to be as new; then it is cut off."""
STOP_SECONDS = 5.0
MOST_MILLISECONDS = 2**31 - 1
"""Of a timeout of PostgreSQL."""

Connection: TypeAlias = asyncpg.Connection


def is_lost(connection: Connection) -> bool:
    """Whether it can no longer be used; asyncpg takes it from whoever borrowed it as soon as it knows."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def cut_off(connection: Connection) -> None:
    if not is_lost(connection):
        connection.terminate()


class Pool:
    """Connections that are as new whenever they are borrowed, at most `max_sessions + reserved`."""

    def __init__(self, connect: Mapping[str, Any], limits: Limits) -> None:
        self._connect = connect
        self._limits = limits
        self._size = limits.max_sessions + limits.reserved
        self._borrowed = set[Connection]()
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """The database need not be there: it is connected to when a connection is borrowed."""
        options: dict[str, Any] = {**self._connect, "server_settings": self._server_settings()}
        self._pool = await asyncpg.create_pool(
            **options,
            min_size=0,
            max_size=self._size,
            timeout=self._limits.wait_seconds,
            statement_cache_size=0,
            init=_as_new,
            reset=_discard,
        )

    async def stop(self) -> None:
        """Close them all; those that are in use for five more seconds are cut off."""
        if self._pool is None or self._pool.is_closing():
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._pool.close()
        except FAILURES:
            self._pool.terminate()

    async def renew(self) -> None:
        """Let nobody borrow a connection that is open by now."""
        if self._pool is not None and not self._pool.is_closing():
            await self._pool.expire_connections()

    async def renew_after(self, error: BaseException) -> None:
        """As `renew`, where what every connection knows of a type is not so any more."""
        if isinstance(error, TypeAltered):
            await self.renew()

    @asynccontextmanager
    async def borrowed(self, first: str) -> AsyncGenerator[Connection]:
        """As `borrow`, and given back at the end, however that comes."""
        connection = await self.borrow(first)
        try:
            yield connection
        except BaseException as error:
            await to_its_end(self.give_back(connection, broke_off=True))
            await self.renew_after(error)
            raise
        await to_its_end(self.give_back(connection))

    async def borrow(self, first: str) -> Connection:
        """A connection on which `first`, which begins something, was executed.

        One that was lost while nobody used it is replaced. Raises Busy and DatabaseAway.
        """
        try:
            return await self._begun(first)
        except DatabaseAway as error:
            if error.__cause__ is None or not is_loss(error.__cause__):
                raise
        # Others that nobody uses will be lost as well.
        await self.renew()
        return await self._begun(first)

    async def give_back(self, connection: Connection, *, broke_off: bool = False) -> None:
        """Roll back and forget all that was set on it, or cut it off; bounded, and raises nothing.

        `broke_off`: whether a transaction is open is not known for sure.
        """
        self._borrowed.discard(connection)
        try:
            if is_lost(connection) or self._pool is None:
                return
            if broke_off or connection.is_in_transaction():
                await connection.execute("ROLLBACK", timeout=CLEAN_UP_SECONDS)
            await self._pool.release(connection, timeout=CLEAN_UP_SECONDS)
        except FAILURES:
            cut_off(connection)

    async def _begun(self, first: str) -> Connection:
        connection = await self._acquire()
        try:
            with translated():
                await connection.execute(first, timeout=self._limits.wait_seconds)
        except BaseException:
            await to_its_end(self.give_back(connection, broke_off=True))
            raise
        return connection

    async def _acquire(self) -> Connection:
        if self._pool is None or self._pool.is_closing():
            raise DatabaseAway("This server is starting or stopping.", hint="Try again in a few seconds.")
        try:
            with connecting():
                async with asyncio.timeout(self._limits.wait_seconds):
                    connection = cast("Connection", await self._pool.acquire())
        except DatabaseAway as error:
            if isinstance(error.__cause__, TimeoutError) and len(self._borrowed) >= self._size:
                raise self._busy() from error
            raise
        self._borrowed.add(connection)
        return connection

    def _busy(self) -> Busy:
        return Busy(
            f"All {self._size} connections to PostgreSQL are in use, and none was free within "
            f"{self._limits.wait_seconds:g} s.",
            hint="Try again; pg_monitor activity shows what they do.",
        )

    def _server_settings(self) -> Mapping[str, str]:
        """What holds again after DISCARD ALL; the settings of whoever set up the server come before it."""
        return {
            **self._connect.get("server_settings", {}),
            "application_name": "coldquery",
            "client_encoding": "UTF8",
            "standard_conforming_strings": "on",
            # One layer more: what begins a write says READ WRITE.
            "default_transaction_read_only": "on",
            "statement_timeout": str(self._limits.timeout_ms),
            # Sessions end before, by the sweep; this is for when this process hangs.
            "idle_in_transaction_session_timeout": str(
                min(int(self._limits.session_seconds + 60) * 1000, MOST_MILLISECONDS)
            ),
        }


async def _as_new(connection: Connection) -> None:
    try:
        await set_codecs(connection)
    except BaseException:
        # Else asyncpg closes it politely, for which a server that hangs would have to answer.
        connection.terminate()
        raise


async def _discard(connection: Connection) -> None:
    await connection.execute("DISCARD ALL")
