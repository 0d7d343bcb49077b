import math
import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

_PERIODS = {"s": 1, "sec": 1, "min": 60, "hour": 3600, "day": 86_400}
_UNITS = {seconds: unit for unit, seconds in _PERIODS.items()}
_TEXT = re.compile(r"([0-9]{1,9})\s*/\s*([a-z]+)")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests in so many seconds: a token bucket of that capacity, refilled evenly over the period.

    Raises `ValueError` for a count below 1 or a period that is no second, minute, hour or day.
    """

    count: int
    period_seconds: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.period_seconds not in _UNITS:
            raise ValueError("a rate limit is a positive count per sec, min, hour or day")

    @classmethod
    def parse(cls, text: str) -> "RateLimit":
        """`600/min` and the like, with `s` or `sec`, `min`, `hour`, `day`; raises `ValueError`."""
        match = _TEXT.fullmatch(text.strip())
        if match is None or match[2] not in _PERIODS or int(match[1]) == 0:
            raise ValueError(
                f"{text!r} is no rate limit; write a count per s, sec, min, hour or day: 600/min"
            )
        return cls(int(match[1]), _PERIODS[match[2]])

    def __str__(self) -> str:
        return f"{self.count}/{_UNITS[self.period_seconds]}"


class Decision(NamedTuple):
    """What a bucket answered. A named tuple, as one is made for every request."""

    allowed: bool
    limit: RateLimit
    remaining: int
    """Requests that would be allowed right now."""
    reset_seconds: int
    """Until the bucket is full again, rounded up."""
    retry_after_seconds: int
    """Until the next request is allowed, rounded up; 0 when it is allowed at once."""

    @classmethod
    def of(cls, limit: RateLimit, debt: float, *, allowed: bool) -> "Decision":
        """From `debt`, the tokens that a bucket is short of being full."""
        pace = limit.period_seconds / limit.count
        left = limit.count - debt
        remaining = max(0, math.floor(left + TOLERANCE))
        retry_after = 0 if remaining else max(1, math.ceil((1 - left) * pace))
        return cls(allowed, limit, remaining, math.ceil(debt * pace), retry_after)

    def headers(self, policy: str) -> list[tuple[bytes, bytes]]:
        """The headers of draft-ietf-httpapi-ratelimit-headers and their X- ancestors, for an ASGI answer.

        `policy` names the limit, in printable ASCII without quotes. `Retry-After` is among them when refused.
        """
        name, count = policy.encode(), self.limit.count
        headers = [
            (b"ratelimit", b'"%b";r=%d;t=%d' % (name, self.remaining, self.reset_seconds)),
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name, count, self.limit.period_seconds)),
            (b"x-ratelimit-limit", b"%d" % count),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_seconds),
        ]
        if not self.allowed:
            headers.append((b"retry-after", b"%d" % self.retry_after_seconds))
        return headers


TOLERANCE = 1e-9
"""Of a token: refilling is arithmetic in floats, which must not withhold a token that time has paid for."""


class TokenBuckets(Protocol):
    """Token buckets by name, full until first taken from. Both methods may raise what their store raises."""

    async def take(self, bucket: str, limit: RateLimit) -> Decision:
        """Take one token out of `bucket`, or be refused."""
        ...

    async def peek(self, bucket: str, limit: RateLimit) -> Decision:
        """How `bucket` stands, taking nothing: `allowed` says whether a token is there."""
        ...
