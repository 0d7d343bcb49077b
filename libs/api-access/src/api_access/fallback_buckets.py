from collections.abc import Callable, Coroutine
from time import monotonic

from redis.exceptions import RedisError

from api_access.metrics import FALLBACKS
from api_access.outage import Outage
from api_access.rate_limits import Decision, RateLimit, TokenBuckets


class FallbackBuckets:
    """The shared buckets, and in their absence those of this process: each replica then limits by itself.

    While the shared ones are away, one request a second asks them, and all others go to `local` at once.
    """

    def __init__(
        self, shared: TokenBuckets, local: TokenBuckets, clock: Callable[[], float] = monotonic
    ) -> None:
        self._shared = shared
        self._local = local
        self._outage = Outage("rate_limits_fall_back_to_memory", "rate_limits_are_shared_again", clock)

    async def take(self, bucket: str, limit: RateLimit) -> Decision:
        """Take one token out of `bucket`, or be refused. Raises nothing for Redis being away."""
        return await self._decide(lambda buckets: buckets.take(bucket, limit))

    async def peek(self, bucket: str, limit: RateLimit) -> Decision:
        """How `bucket` stands, taking nothing: `allowed` says whether a token is there."""
        return await self._decide(lambda buckets: buckets.peek(bucket, limit))

    async def _decide(self, ask: Callable[[TokenBuckets], Coroutine[None, None, Decision]]) -> Decision:
        if self._outage.may_ask():
            try:
                decision = await ask(self._shared)
            except (RedisError, OSError) as error:
                self._outage.note_failure(error)
            else:
                self._outage.note_success()
                return decision
        FALLBACKS.inc()
        return await ask(self._local)
