import asyncio
from fractions import Fraction
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_access.memory_buckets import MemoryBuckets
from api_access.rate_limits import Decision, RateLimit

SECOND = RateLimit(2, 1)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("600/min", RateLimit(600, 60)),
        ("1/s", RateLimit(1, 1)),
        ("5/sec", RateLimit(5, 1)),
        (" 10 / hour ", RateLimit(10, 3600)),
        ("999999999/day", RateLimit(999_999_999, 86_400)),
    ],
)
def test_limits_are_read_and_written_back(text: str, limit: RateLimit) -> None:
    assert RateLimit.parse(text) == limit
    assert RateLimit.parse(str(limit)) == limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "600",
        "0/min",
        "-1/min",
        "1.5/s",
        "600/fortnight",
        "/min",
        "600/min/s",
        "٦/min",
        "1000000000/s",
        "6/MIN",
    ],
)
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="600/min") as caught:
        RateLimit.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(("count", "period"), [(0, 60), (-1, 60), (1, 0), (1, 7)])
def test_no_limit_is_made_of_other_numbers(count: int, period: int) -> None:
    with pytest.raises(ValueError, match="positive count"):
        RateLimit(count, period)


def test_the_headers_are_those_of_the_draft_and_their_ancestors() -> None:
    decision = Decision.of(RateLimit(60, 60), 1, allowed=True)
    assert decision.headers("query") == [
        (b"ratelimit", b'"query";r=59;t=1'),
        (b"ratelimit-policy", b'"query";q=60;w=60'),
        (b"x-ratelimit-limit", b"60"),
        (b"x-ratelimit-remaining", b"59"),
        (b"x-ratelimit-reset", b"1"),
    ]


def test_a_refusal_also_says_when_to_try_again() -> None:
    refused = Decision.of(RateLimit(10, 60), 9.5, allowed=False)
    assert refused.headers("ingestion")[-1] == (b"retry-after", b"3")
    assert (refused.remaining, refused.reset_seconds) == (0, 57)


async def test_a_bucket_gives_its_capacity_and_then_refuses() -> None:
    buckets = MemoryBuckets(clock=Mock(return_value=0.0))
    taken = [await buckets.take("a", RateLimit(3, 60)) for _ in range(4)]
    assert [decision.allowed for decision in taken] == [True, True, True, False]
    assert [decision.remaining for decision in taken] == [2, 1, 0, 0]
    assert [decision.retry_after_seconds for decision in taken] == [0, 0, 20, 20]
    assert (await buckets.take("b", RateLimit(3, 60))).allowed


async def test_a_token_comes_back_when_its_time_is_up_and_not_before() -> None:
    clock = Mock(return_value=0.0)
    buckets = MemoryBuckets(clock=clock)
    for _ in range(2):
        await buckets.take("a", SECOND)
    clock.return_value = 0.499
    assert not (await buckets.take("a", SECOND)).allowed
    clock.return_value = 0.5
    assert (await buckets.take("a", SECOND)).allowed
    assert not (await buckets.take("a", SECOND)).allowed


async def test_looking_takes_nothing() -> None:
    buckets = MemoryBuckets(clock=Mock(return_value=0.0))
    looks = [await buckets.peek("a", SECOND) for _ in range(5)]
    assert {(look.allowed, look.remaining) for look in looks} == {(True, 2)}
    for _ in range(2):
        await buckets.take("a", SECOND)
    assert not (await buckets.peek("a", SECOND)).allowed


async def test_a_lowered_limit_leaves_no_debt_beyond_its_own_period() -> None:
    clock = Mock(return_value=0.0)
    buckets = MemoryBuckets(clock=clock)
    for _ in range(600):
        await buckets.take("a", RateLimit(600, 60))
    assert (await buckets.take("a", RateLimit(2, 60))).reset_seconds == 60
    clock.return_value = 30.0
    assert (await buckets.take("a", RateLimit(2, 60))).allowed


async def test_memory_is_bounded_and_the_emptiest_buckets_stay() -> None:
    buckets = MemoryBuckets(capacity=10, clock=Mock(return_value=0.0))
    for _ in range(2):
        await buckets.take("greedy", SECOND)
    for number in range(1000):
        await buckets.take(f"passing-{number}", SECOND)
    assert len(buckets._buckets) <= 10
    assert not (await buckets.take("greedy", SECOND)).allowed


@given(
    limit=st.builds(RateLimit, st.integers(1, 50), st.sampled_from([1, 60, 3600])),
    waits=st.lists(st.integers(0, 100_000), max_size=200),
)
def test_a_bucket_agrees_with_exact_arithmetic(limit: RateLimit, waits: list[int]) -> None:
    """Waits are in 1/1024 s, which floats hold exactly."""
    clock = Mock(return_value=0.0)
    buckets = MemoryBuckets(clock=clock)
    tokens, now = Fraction(limit.count), Fraction(0)

    async def take_all() -> None:
        nonlocal tokens, now
        for wait in waits:
            now += Fraction(wait, 1024)
            clock.return_value = float(now)
            tokens = min(
                Fraction(limit.count), tokens + Fraction(wait * limit.count, 1024 * limit.period_seconds)
            )
            decision = await buckets.take("a", limit)
            assert decision.allowed == (tokens >= 1)
            tokens -= 1 if decision.allowed else 0
            assert decision.remaining == tokens // 1

    asyncio.run(take_all())
