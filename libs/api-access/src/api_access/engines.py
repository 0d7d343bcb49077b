from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api_access.database_url import database_url

BUSY_SECONDS = 10
"""How long a writer of SQLite waits for another one."""
SEARCH_PATH = {"search_path": "pg_catalog, pg_temp"}
"""For the `server_settings` of PostgreSQL: whoever may create functions and operators in a schema of the usual path
would else have them run by us, in place of those that our statements mean. All tables are named with their schema."""


def create_engine(url: str, **options: Any) -> AsyncEngine:
    """An engine for PostgreSQL, or for a file of SQLite with real transactions; `options` as SQLAlchemy has them.

    On SQLite a transaction is a writer's from its beginning, unless its connection has the execution option
    `sqlite_read`; and what is committed outlasts a power cut. SQLite knows no schemas: whatever schema a table
    is in, it is in the one file. On PostgreSQL no schema is searched but the system's own.
    """
    parsed = database_url(url)
    if parsed.drivername != "sqlite+aiosqlite":
        return create_async_engine(parsed, **_on_safe_path(options))
    engine = create_async_engine(parsed, **options)
    event.listen(engine.sync_engine, "connect", _set_up)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _on_safe_path(options: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = options.get("connect_args", {})
    settings = SEARCH_PATH | arguments.get("server_settings", {})
    return options | {"connect_args": arguments | {"server_settings": settings}}


def _set_up(connection: Any, _record: object) -> None:
    # sqlite3 begins transactions of its own, late and not before DDL; with None it leaves that to us.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("sqlite_read", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _roll_back(connection: Any, _record: object, _error: object) -> None:
    # A task that was cancelled may leave a statement open, which keeps a closed connection's transaction, and its lock.
    if connection is not None:
        connection.rollback()
