"""When a server that refused for want of patience is to be asked again."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil, isfinite

from fleet_metadata.collector import CollectionFailed

_LEAST_SECONDS = 1.0
_LONGEST_SECONDS = 86_400.0
_UNTOLD_SECONDS = 60.0
_LONGEST_UNTOLD_SECONDS = 3_600.0


class RateLimit:
    """Keeps the waits that a server asks for. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0
        self._in_a_row = 0

    def check(self) -> None:
        """Raises CollectionFailed while the server is not to be asked."""
        if (left := self._until - self._clock()) > 0:
            raise self._failure(left)

    def answered(self) -> None:
        """The server did not refuse this time."""
        self._in_a_row = 0

    def wait_after(self, headers: Mapping[str, str]) -> float:
        """The seconds to wait after the refusal with these headers.

        That is what it asks for, else a minute, and twice as long at each further refusal in a row. What a
        broken server asks for is bounded by a day.
        """
        self._in_a_row += 1
        doubled = _UNTOLD_SECONDS * 2 ** min(self._in_a_row - 1, 10)
        told = _seconds_told(headers, self._clock())
        seconds = min(doubled, _LONGEST_UNTOLD_SECONDS) if told is None else told
        return min(max(seconds, _LEAST_SECONDS), _LONGEST_SECONDS)

    def close_for(self, seconds: float) -> CollectionFailed:
        """Let nobody ask for so long; what to raise."""
        self._until = self._clock() + seconds
        return self._failure(seconds)

    def _failure(self, left: float) -> CollectionFailed:
        until = datetime.fromtimestamp(ceil(self._until), UTC).isoformat().removesuffix("+00:00")
        return CollectionFailed(f"rate limited until {until}Z", retry_in=left)


def is_rate_limited(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer refuses for the number of requests, not for what was asked.

    GitHub tells its limits in every answer, and refuses with 403 for both reasons: while requests remain it
    is for want of a permission. See docs.github.com, rate limits for the REST API.
    """
    if status == 429:  # noqa: PLR2004  # too many requests
        return True
    if status != 403:  # noqa: PLR2004  # forbidden
        return False
    remaining = _number(_limit_header(headers, "remaining"))
    nothing_remains = remaining is not None and remaining <= 0
    resets_only = remaining is None and _number(_limit_header(headers, "reset")) is not None
    return (
        "retry-after" in headers or nothing_remains or resets_only or b"secondary rate limit" in body.lower()
    )


def _seconds_told(headers: Mapping[str, str], now: float) -> float | None:
    now = _moment(headers.get("date")) or now  # Their clock may not be ours.
    retry = headers.get("retry-after")
    if (seconds := _number(retry)) is not None:
        return seconds
    moment = _moment(retry) or _number(_limit_header(headers, "reset"))
    return None if moment is None else moment - now


def _limit_header(headers: Mapping[str, str], name: str) -> str | None:
    """GitHub's header of that name, or GitLab's."""
    return headers.get(f"x-ratelimit-{name}", headers.get(f"ratelimit-{name}"))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def _moment(text: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
