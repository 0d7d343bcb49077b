"""API keys and their limits, before anything else of a request is looked at."""

import asyncio

from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from api_access import ACCESS_MIGRATIONS, KEY_ONLY, Guard, KeyOnly, Requirement, create_engine, redis_url
from coldquery.keys import keys_url
from coldquery.mcp.access_guard import READING
from coldquery.mcp.server import PATH
from coldquery.settings import Settings

_WAIT_SECONDS = 3


def access_policy(_method: str, path: str) -> Requirement | KeyOnly | None:
    """What a request must bring: what reaches the database wants a key."""
    if path == PATH:
        # Which tool is called, and so what it takes, stands in the body.
        return KEY_ONLY
    return READING if path.startswith("/api/") else None


class KeyGuard:
    """The keys of `settings`, looked up in their database; `stop` lets go of it."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(keys_url(settings))
        redis = redis_url(settings.redis_url, settings.redis_password)
        self._guard = Guard(self._engine, redis, "coldquery")
        self._limits = {READING.limit_class: settings.rate_limit_query}

    def before(self, app: ASGIApp) -> ASGIApp:
        """`app` behind the guard."""
        return self._guard.before(app, access_policy, self._limits)

    async def missing(self) -> str | None:
        """What keeps keys from being looked up, in a sentence."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS), self._engine.connect() as found:
                connection = await found.execution_options(sqlite_read=True)
                pending = await ACCESS_MIGRATIONS.pending(connection)
        # Refused logins come from asyncpg itself: SQLAlchemy translates nothing before there is a connection.
        except (SQLAlchemyError, PostgresError, InterfaceError, OSError):
            return "The database of the API keys does not answer; see ACCESS_DATABASE_URL."
        return "The database of the API keys is not up to date: run `coldquery migrate`." if pending else None

    async def stop(self) -> None:
        await self._guard.stop()
        await self._engine.dispose()
