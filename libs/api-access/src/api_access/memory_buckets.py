import math
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from api_access.rate_limits import TOLERANCE, Decision, RateLimit


class _Bucket(NamedTuple):
    debt: float
    at: float
    full_at: float


class MemoryBuckets:
    """Token buckets of this process alone, at most `capacity` of them.

    `clock` gives seconds that never run backwards.
    """

    def __init__(self, capacity: int = 50_000, clock: Callable[[], float] = monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def take(self, bucket: str, limit: RateLimit) -> Decision:
        """Take one token out of `bucket`, or be refused."""
        now = self._clock()
        debt = self._debt(bucket, limit, now)
        if debt + 1 > limit.count + TOLERANCE:
            return Decision.of(limit, debt, allowed=False)
        if len(self._buckets) >= self._capacity and bucket not in self._buckets:
            self._make_room()
        full_at = now + (debt + 1) * limit.period_seconds / limit.count
        self._buckets[bucket] = _Bucket(debt + 1, now, full_at)
        return Decision.of(limit, debt + 1, allowed=True)

    async def peek(self, bucket: str, limit: RateLimit) -> Decision:
        """How `bucket` stands, taking nothing: `allowed` says whether a token is there."""
        debt = self._debt(bucket, limit, self._clock())
        return Decision.of(limit, debt, allowed=debt + 1 <= limit.count + TOLERANCE)

    def _debt(self, bucket: str, limit: RateLimit, now: float) -> float:
        state = self._buckets.get(bucket)
        if state is None:
            return 0.0
        repaid = (now - state.at) * limit.count / limit.period_seconds
        # A limit that was lowered must not leave a debt that takes longer than its own period.
        return max(0.0, min(state.debt, limit.count) - repaid)

    def _make_room(self) -> None:
        # Those nearest to full go, which forgives the least; half of them, so that the sort is paid seldom.
        by_debt = sorted(self._buckets.items(), key=lambda item: item[1].full_at)
        self._buckets = dict(by_debt[math.ceil(len(by_debt) / 2) :])
