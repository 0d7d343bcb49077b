from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from api_access.authenticator import Authenticator
from api_access.fallback_buckets import FallbackBuckets
from api_access.key_store import KeyStore
from api_access.memory_buckets import MemoryBuckets
from api_access.middleware import AccessMiddleware
from api_access.rate_limits import RateLimit
from api_access.redis_buckets import RedisBuckets
from api_access.requirement import KeyOnly, Requirement


class Guard:
    """API keys and their limits, before anything else of a request is looked at.

    The keys are looked up on `keys`, which stays its owner's. What they have used is counted in the Redis at
    `redis_url` under the name of the `service`, for all its replicas, and in memory where there is none.
    """

    def __init__(self, keys: AsyncEngine, redis_url: str | None, service: str) -> None:
        self._shared = RedisBuckets.connect(redis_url, service) if redis_url else None
        self._buckets = FallbackBuckets(self._shared, MemoryBuckets()) if self._shared else MemoryBuckets()
        self._authenticator = Authenticator(KeyStore(keys), self._buckets)

    def before(
        self,
        app: ASGIApp,
        policy: Callable[[str, str], Requirement | KeyOnly | None],
        default_limits: Mapping[str, RateLimit],
    ) -> ASGIApp:
        """`app` behind the guard; `policy` and `default_limits` as of `AccessMiddleware`."""
        return AccessMiddleware(
            app,
            authenticator=self._authenticator,
            buckets=self._buckets,
            policy=policy,
            default_limits=default_limits,
        )

    async def stop(self) -> None:
        """End what is under way, and let go of Redis."""
        await self._authenticator.stop()
        if self._shared:
            await self._shared.close()
