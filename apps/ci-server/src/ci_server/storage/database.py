import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from asyncpg.exceptions import InterfaceError as AsyncpgInterfaceError
from asyncpg.exceptions import PostgresError
from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_access import create_engine
from ci_server.domain.errors import StorageUnavailable

POOL_SIZE = 10
WAIT_SECONDS = 10
"""For a connection, and for others who write."""
ANSWER_SECONDS = 60
"""For a statement: whose machine vanished answers nothing, for as long as TCP waits."""
IDLE_SECONDS = 30
"""After which PostgreSQL ends a transaction whose process is asleep, as its locks hold up all others."""
CLOSE_SECONDS = 1.0
CHANNEL = "ci_jobs"
"""Where PostgreSQL tells who listens that something was written."""

_TELL = text(f"SELECT pg_notify('{CHANNEL}', '')")
# Refused connections, full or stopping servers, locks waited for too long, and tables that are not there.
_UNAVAILABLE_STATES = ("08", "28", "3D", "53", "57P", "55P03", "42P01", "3F")
_POSTGRESQL_SESSION = {
    "jit": "off",
    "timezone": "UTC",
    "application_name": "ci-server",
    "lock_timeout": f"{WAIT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class Database:
    """The one owner of connections to the database of the jobs: a file of SQLite, or PostgreSQL.

    All contexts raise StorageUnavailable where the database cannot be reached or goes away, is not migrated,
    or where others write, or hold all connections, for more than 10 s.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        """As `api_access.Migrations` takes it."""
        self._session = {} if url.startswith("sqlite") else _postgresql_session()
        self.engine: AsyncEngine = create_engine(
            url, pool_size=POOL_SIZE, max_overflow=0, pool_timeout=WAIT_SECONDS, **self._session
        )
        names: dict[str, Any] = {"schema_translate_map": {"ci": None}} if self.is_sqlite else {}
        self._writing = self.engine.execution_options(**names)
        how = {"sqlite_read": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reading = self.engine.execution_options(**names, **how)
        # SQLite lets those who wait sleep for up to 0.1 s; in one process they take turns at once.
        self._turn = asyncio.Lock()

    @classmethod
    def of(cls, url: str | None, db_path: Path) -> Self:
        """The database at a PostgreSQL URL (CI_DATABASE_URL), or else in the file `db_path` (CI_DB_PATH)."""
        file = URL.create("sqlite+aiosqlite", database=str(db_path.absolute()))
        return cls(url or file.render_as_string())

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path:
        """Of SQLite; not to be asked of PostgreSQL."""
        return Path(self.engine.url.database or "")

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection that reads: on SQLite one snapshot, on PostgreSQL one for each statement."""
        async with _translated(), self._reading.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction that is committed at the end, or rolled back on an error.

        On SQLite nobody else writes meanwhile. Where the commit itself fails, it may have been done.
        """
        async with _translated(), self._turn_to_write(), self._writing.begin() as connection:
            yield connection
            if not self.is_sqlite:
                await connection.execute(_TELL)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[AsyncConnection]:
        """A connection to PostgreSQL that is none of the pool's, outside of transactions."""
        engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", **self._session)
        async with _translated(), engine.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections; those that do not close within a second are left to the end of the process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.engine.dispose()

    @asynccontextmanager
    async def _turn_to_write(self) -> AsyncGenerator[None]:
        if not self.is_sqlite:
            yield
            return
        async with asyncio.timeout(WAIT_SECONDS):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()


def _postgresql_session() -> dict[str, Any]:
    arguments = {
        "timeout": WAIT_SECONDS,
        "command_timeout": ANSWER_SECONDS,
        "server_settings": _POSTGRESQL_SESSION,
    }
    return {"connect_args": arguments, "hide_parameters": True}


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except DBAPIError as error:
        if not _is_outage(error):
            raise
        raise _unavailable(str(error.orig)) from error
    except PoolTimeout as error:
        raise _unavailable(f"no connection was free within {WAIT_SECONDS} s") from error
    except TimeoutError as error:
        raise _unavailable(f"no answer, or no turn to write, within {WAIT_SECONDS} s") from error
    # Refused logins come from asyncpg itself: SQLAlchemy translates nothing before there is a connection.
    except (OSError, PostgresError, AsyncpgInterfaceError) as error:
        raise _unavailable(str(error)) from error


def _is_outage(error: DBAPIError) -> bool:
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # A file of SQLite that is none, or is broken.
        return type(error) is DatabaseError and not isinstance(error, IntegrityError)
    return str(state).startswith(_UNAVAILABLE_STATES)


def _unavailable(reason: str) -> StorageUnavailable:
    reason = reason.partition("\n")[0]
    return StorageUnavailable(f"The database of the jobs (CI_DATABASE_URL or CI_DB_PATH): {reason}.")
