"""When a webhook that did not arrive is tried again."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform

WAITS = (10.0, 60.0, 300.0, 1800.0, 7200.0)
"""Seconds after the first try, the second, and so on; after the one behind the last of them it is given up."""
JITTER = 0.2
"""Up to that part of a wait is added, so that what failed together does not come back together."""
LONGEST_ASKED_FOR = 3600.0
"""Seconds; who asks for more in Retry-After waits for that long, or as long as it is our turn."""


def wait_after(
    tries: int, retry_after: str | None, now: datetime, draw: Callable[[float, float], float] = uniform
) -> float | None:
    """Seconds until the next try after so many, or None where there is none any more.

    `retry_after` is the header of an answer, in seconds or as a date.
    """
    if tries > len(WAITS):
        return None
    wait = WAITS[tries - 1]
    asked = min(_seconds(retry_after, now), LONGEST_ASKED_FOR)
    return max(wait + draw(0, JITTER * wait), asked)


def _seconds(retry_after: str | None, now: datetime) -> float:
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp() - now.timestamp()
