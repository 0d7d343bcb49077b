import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import NullPool, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from api_access import SEARCH_PATH, asyncpg_url
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.pool_metrics import pool_timeouts
from observability import child_span

POOL_WAIT_SECONDS = 5
LOCK_WAIT_SECONDS = 10
"""For each lock; PostgreSQL takes two, one after the other, where many wait for a row."""
CLOSE_SECONDS = 1.0
_LOCK_TIMEOUT = "55P03"
_SYSTEM = {"db.system.name": "postgresql"}
_FOUND_DEAD_SOON = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class Database:
    """The one owner of connections to PostgreSQL.

    All contexts raise GraphUnavailable where the database cannot be reached or goes away, and GraphBusy
    where no connection is free within 5 s, or others write for more than 10 s.
    """

    def __init__(self, url: str, pool_size: int, max_overflow: int) -> None:
        # Compiling a plan takes longer than any of ours runs; timestamps in answers are in UTC.
        own = {"jit": "off", "timezone": "UTC", "application_name": "dependency-graph"}
        session = own | SEARCH_PATH
        self._unpooled = create_async_engine(
            asyncpg_url(url),
            poolclass=NullPool,
            json_serializer=dumps,
            connect_args={"timeout": POOL_WAIT_SECONDS, "server_settings": session | _FOUND_DEAD_SOON},
        )
        self.engine: AsyncEngine = create_async_engine(
            asyncpg_url(url),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=POOL_WAIT_SECONDS,
            json_serializer=dumps,
            connect_args={
                "timeout": POOL_WAIT_SECONDS,
                "server_settings": session | {"lock_timeout": f"{LOCK_WAIT_SECONDS}s"},
            },
        )
        # Who writes may wait long for others who do; the rest of the pool is for those who wait for nobody.
        self._writers = asyncio.Semaphore(max(1, (pool_size + max_overflow) // 2))
        self._connections = WeakSet[Any]()
        for engine in (self.engine, self._unpooled):
            event.listen(engine.sync_engine, "connect", self._note)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshot = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection whose every statement sees a snapshot of its own; it saves a round trip for BEGIN."""
        with child_span("postgresql read", _SYSTEM):
            async with _translated(), self._autocommit.connect() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection whose statements all see the same moment, and which writes nothing."""
        with child_span("postgresql snapshot", _SYSTEM):
            async with _translated(), self._snapshot.connect() as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction that is committed at the end, or rolled back on an error."""
        with child_span("postgresql write", _SYSTEM):
            async with _translated(), _one_of(self._writers), self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[AsyncConnection]:
        """A connection of its own, none of the pool's, and closed at the end: locks of the session go with it.

        PostgreSQL gives it up within about 20 s where the machine at our end has vanished.
        """
        async with _translated(), self._unpooled.connect() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, alone: AsyncConnection) -> AsyncGenerator[AsyncConnection]:
        """A transaction on a connection that `alone` gave: committed at the end, or rolled back on an error."""
        async with _translated(), alone.begin():
            yield alone

    async def close(self) -> None:
        """Close all connections, politely within a second, and then without asking PostgreSQL."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.engine.dispose()
        for connection in list(self._connections):
            connection.terminate()

    def _note(self, connection: Any, _record: object) -> None:
        self._connections.add(connection.driver_connection)


@asynccontextmanager
async def _one_of(places: asyncio.Semaphore) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(POOL_WAIT_SECONDS):
            await places.acquire()
    except TimeoutError as error:
        pool_timeouts.inc()
        raise GraphBusy from error
    try:
        yield
    finally:
        places.release()


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except PoolTimeout as error:
        pool_timeouts.inc()
        raise GraphBusy from error
    except OSError as error:
        raise GraphUnavailable from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_TIMEOUT:
            raise GraphBusy from error
        if isinstance(error, OperationalError | InterfaceError):
            raise GraphUnavailable from error
        if error.connection_invalidated or _lets_nobody_in(error):
            raise GraphUnavailable from error
        raise


def _lets_nobody_in(error: DBAPIError) -> bool:
    """Whether PostgreSQL is there and refuses: it starts or stops, is full, or knows no such user or database."""
    return str(getattr(error.orig, "sqlstate", "")).startswith(("08", "28", "3D", "53", "57P"))


def dumps(value: Any) -> str:
    """`value` as JSON text for PostgreSQL; raises ValueError for NaN and infinities, which it has not."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
