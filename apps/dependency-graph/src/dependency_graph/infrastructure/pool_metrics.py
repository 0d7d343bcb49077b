import asyncio
from typing import cast

from prometheus_client import Counter, Gauge
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine

SAMPLED_EVERY_SECONDS = 5.0

_size = Gauge(
    "database_pool_size",
    "Connections that all processes may keep, overflow not counted",
    multiprocess_mode="livesum",
)
_in_use = Gauge("database_pool_in_use", "Connections in use in all processes", multiprocess_mode="livesum")
_overflow = Gauge(
    "database_pool_overflow",
    "Connections beyond the size of the pool in all processes",
    multiprocess_mode="livesum",
)
pool_timeouts = Counter("database_pool_timeouts", "Requests that got no connection within 5 s")


class PoolMetrics:
    """Looks at the pool of a process every 5 s; looking each time that it changes would cost every request."""

    def __init__(self, engine: AsyncEngine, every_seconds: float = SAMPLED_EVERY_SECONDS) -> None:
        self._engine = engine
        self._every_seconds = every_seconds

    def start(self) -> None:
        self._sampling = asyncio.create_task(self._sample())

    async def stop(self) -> None:
        self._sampling.cancel()
        await asyncio.wait([self._sampling])

    async def _sample(self) -> None:
        while True:
            pool = cast("QueuePool", self._engine.pool)
            _size.set(pool.size())
            _in_use.set(pool.checkedout())
            _overflow.set(max(0, pool.overflow()))
            await asyncio.sleep(self._every_seconds)
