from collections.abc import Callable, Coroutine
from time import monotonic

import structlog
from redis.exceptions import RedisError

from api_access.metrics import FALLBACKS
from api_access.rate_limits import Decision, RateLimit, TokenBuckets

_log = structlog.get_logger()
_PROBE_SECONDS = 1.0


class FallbackBuckets:
    """The shared buckets, and in their absence those of this process: each replica then limits by itself.

    While the shared ones are away, one request a second asks them, and all others go to `local` at once.
    """

    def __init__(
        self, shared: TokenBuckets, local: TokenBuckets, clock: Callable[[], float] = monotonic
    ) -> None:
        self._shared = shared
        self._local = local
        self._clock = clock
        self._probe_at: float | None = None

    async def take(self, bucket: str, limit: RateLimit) -> Decision:
        """Take one token out of `bucket`, or be refused. Raises nothing for Redis being away."""
        return await self._decide(lambda buckets: buckets.take(bucket, limit))

    async def peek(self, bucket: str, limit: RateLimit) -> Decision:
        """How `bucket` stands, taking nothing: `allowed` says whether a token is there."""
        return await self._decide(lambda buckets: buckets.peek(bucket, limit))

    async def _decide(self, ask: Callable[[TokenBuckets], Coroutine[None, None, Decision]]) -> Decision:
        if self._may_ask():
            try:
                decision = await ask(self._shared)
            except (RedisError, OSError) as error:
                self._note_failure(error)
            else:
                self._note_success()
                return decision
        FALLBACKS.inc()
        return await ask(self._local)

    def _may_ask(self) -> bool:
        if self._probe_at is None:
            return True
        now = self._clock()
        if now < self._probe_at:
            return False
        self._probe_at = now + _PROBE_SECONDS
        return True

    def _note_failure(self, error: Exception) -> None:
        if self._probe_at is None:
            # The type alone: a driver's text may hold the address with its password.
            _log.warning("rate_limits_fall_back_to_memory", error=type(error).__name__)
        self._probe_at = self._clock() + _PROBE_SECONDS

    def _note_success(self) -> None:
        if self._probe_at is not None:
            _log.info("rate_limits_are_shared_again")
            self._probe_at = None
