"""When a refusal is for the number of requests, and how long is waited then."""

from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest
from forge_workspace import Clock

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.rate_limit import RateLimit, is_rate_limited

NOW = Clock().now
SECONDARY = b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
ABILITY = b'{"message": "Resource not accessible by personal access token"}'


def _http_date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "body", "limited"),
    [
        (429, {}, b"", True),
        (403, {}, b"", False),
        (403, {"Retry-After": "60"}, b"", True),
        (403, {"Retry-After": "soon"}, b"", True),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795000030"}, ABILITY, True),
        (403, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1795000030"}, ABILITY, False),
        (403, {"X-RateLimit-Remaining": "1", "Retry-After": "60"}, ABILITY, True),
        (403, {"X-RateLimit-Remaining": "1"}, SECONDARY, True),
        (403, {"X-RateLimit-Remaining": "-1"}, b"", True),
        (403, {"X-RateLimit-Reset": "1795000030"}, b"", True),
        (403, {"X-RateLimit-Reset": "later"}, b"", False),
        (403, {"X-RateLimit-Remaining": "some"}, b"", False),
        (403, {"RateLimit-Remaining": "0"}, b"", True),
        (403, {"RateLimit-Remaining": "1", "RateLimit-Reset": "1795000030"}, b"", False),
        (404, {"X-RateLimit-Remaining": "0", "Retry-After": "60"}, SECONDARY, False),
        (200, {"X-RateLimit-Remaining": "0", "Retry-After": "60"}, b"", False),
        (503, {"Retry-After": "60"}, b"", False),
    ],
)
def test_a_refusal_is_for_a_limit_or_for_a_permission(
    status: int, headers: dict[str, str], body: bytes, limited: bool
) -> None:
    assert is_rate_limited(status, httpx.Headers(headers), body) is limited


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "7", "X-RateLimit-Reset": str(NOW + 30)}, 7),
        ({"Retry-After": _http_date(NOW + 40)}, 40),
        ({"Retry-After": "soon", "X-RateLimit-Reset": str(NOW + 30)}, 30),
        ({"X-RateLimit-Reset": str(NOW + 30)}, 30),
        ({"RateLimit-Reset": str(NOW + 30)}, 30),
        ({"X-RateLimit-Reset": str(NOW - 500)}, 1),
        ({"X-RateLimit-Reset": "never"}, 60),
        ({"X-RateLimit-Reset": "nan"}, 60),
        ({"Retry-After": _http_date(NOW - 500)}, 1),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "-5"}, 1),
        ({"Retry-After": "86400"}, 86_400),
        ({"Retry-After": "86401"}, 86_400),
        ({"Retry-After": "9" * 400}, 60),
        ({"Retry-After": "Wed, 18 Nov 2026 11:07:10 +99999999999999999999"}, 60),
        ({"Date": "Wed, 18 Nov 2026 11:07:10 +99999999999999999999", "Retry-After": "7"}, 7),
        ({}, 60),
    ],
)
def test_the_wait_is_the_one_asked_for_between_a_second_and_a_day(
    headers: dict[str, str], seconds: float
) -> None:
    assert RateLimit(Clock()).wait_after(httpx.Headers(headers)) == seconds


def test_their_clock_counts_where_it_is_told() -> None:
    headers = {"Date": _http_date(NOW + 3600), "X-RateLimit-Reset": str(NOW + 3630)}
    assert RateLimit(Clock()).wait_after(httpx.Headers(headers)) == 30
    headers["Retry-After"] = _http_date(NOW + 3610)
    assert RateLimit(Clock()).wait_after(httpx.Headers(headers)) == 10


def test_a_wait_that_is_not_asked_for_doubles_up_to_an_hour_until_there_is_an_answer() -> None:
    limit = RateLimit(Clock())
    assert [limit.wait_after({}) for _ in range(8)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    limit.answered()
    assert limit.wait_after({}) == 60


def test_nobody_asks_until_the_wait_is_over_and_is_told_when_that_is() -> None:
    clock = Clock()
    limit = RateLimit(clock)
    limit.check()
    first = limit.close_for(30)
    clock.now += 29
    with pytest.raises(CollectionFailed) as later:
        limit.check()
    assert str(first) == str(later.value) == "rate limited until 2026-11-18T11:07:10Z"
    assert (first.retry_in, later.value.retry_in) == (30, 1)
    clock.now += 1
    limit.check()
