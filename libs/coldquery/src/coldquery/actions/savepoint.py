from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from coldquery.connections.endings import to_its_end
from coldquery.connections.failures import FAILURES
from coldquery.connections.pool import CLEAN_UP_SECONDS, cut_off
from coldquery.connections.transactions import NO_SAVEPOINT

# No name that somebody would give: undoing this must not go back to theirs.
_NAME = '"coldquery: transaction"'


@asynccontextmanager
async def all_or_none(connection: asyncpg.Connection) -> AsyncGenerator[None]:
    """Undo what the body did in the transaction of `connection` if it fails, also if it is cancelled."""
    await connection.execute(f"SAVEPOINT {_NAME}")
    try:
        yield
    except BaseException:
        await to_its_end(_or_cut_off(connection, f"ROLLBACK TO {_NAME}; RELEASE {_NAME}"))
        raise
    await connection.execute(f"RELEASE {_NAME}")


async def made_fail(connection: asyncpg.Connection) -> None:
    """Let the transaction fail, so that nothing of it is kept; bounded, and raises nothing."""
    await to_its_end(_or_cut_off(connection, NO_SAVEPOINT))


async def _or_cut_off(connection: asyncpg.Connection, sql: str) -> None:
    try:
        await connection.execute(sql, timeout=CLEAN_UP_SECONDS)
    except asyncpg.InvalidSavepointSpecificationError:
        # Now the transaction has failed, whether or not it had before.
        pass
    except FAILURES:
        # What is half done must not be committed.
        cut_off(connection)
