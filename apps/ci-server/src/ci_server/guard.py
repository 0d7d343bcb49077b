from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from api_access import (
    AccessMiddleware,
    Authenticator,
    FallbackBuckets,
    KeyStore,
    MemoryBuckets,
    RedisBuckets,
    create_engine,
)
from ci_server.api.access_policy import access_policy
from ci_server.settings import Settings
from ci_server.shutdown import Shutdown


class Guard:
    """API keys and their limits, before anything else of a request is looked at.

    The keys are in ACCESS_DATABASE_URL, or else in the database of the jobs, whose engine is `jobs`. All that
    it makes ends with `shutdown`.
    """

    def __init__(self, settings: Settings, jobs: AsyncEngine, shutdown: Shutdown) -> None:
        self._limits = {"submit": settings.rate_limit_submit, "read": settings.rate_limit_read}
        self._own = create_engine(settings.access_database_url) if settings.access_database_url else None
        shared = RedisBuckets.connect(settings.redis_url, "ci-server") if settings.redis_url else None
        self._buckets = FallbackBuckets(shared, MemoryBuckets()) if shared else MemoryBuckets()
        self._authenticator = Authenticator(KeyStore(self._own or jobs), self._buckets)
        shutdown.add(self._stop)
        if shared:
            shutdown.add(shared.close)

    def before(self, app: ASGIApp) -> ASGIApp:
        """`app` behind the guard."""
        return AccessMiddleware(
            app,
            authenticator=self._authenticator,
            buckets=self._buckets,
            policy=access_policy,
            default_limits=self._limits,
        )

    async def _stop(self) -> None:
        await self._authenticator.stop()
        if self._own:
            await self._own.dispose()
