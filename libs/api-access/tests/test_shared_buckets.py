import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from api_access.fallback_buckets import FallbackBuckets
from api_access.memory_buckets import MemoryBuckets
from api_access.rate_limits import Decision, RateLimit
from api_access.redis_buckets import RedisBuckets
from embedded_services import EmbeddedValkey

# Nothing worth a token comes back during a test.
DAILY = RateLimit(100, 86_400)


def patient(url: str) -> RedisBuckets:
    """With a minute for the server to answer: on a busy machine a quarter of a second may just pass."""
    return RedisBuckets.connect(f"{url}?socket_timeout=60&socket_connect_timeout=60")


@pytest.fixture
async def shared(valkey_url: str) -> AsyncGenerator[RedisBuckets]:
    buckets = patient(valkey_url)
    yield buckets
    await buckets.close()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Generator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
def bucket() -> str:
    return uuid4().hex


def fallbacks() -> float:
    return REGISTRY.get_sample_value("rate_limit_fallbacks_total") or 0.0


async def test_the_capacity_is_given_in_order_of_arrival(shared: RedisBuckets, bucket: str) -> None:
    limit = RateLimit(5, 86_400)
    taken = await asyncio.gather(*[shared.take(bucket, limit) for _ in range(8)])
    assert [decision.allowed for decision in taken] == [True] * 5 + [False] * 3
    assert [decision.remaining for decision in taken] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert 86_400 / 5 - 60 < taken[-1].retry_after_seconds <= 86_400 / 5


async def test_two_replicas_together_grant_exactly_the_capacity(valkey_url: str, bucket: str) -> None:
    replicas = [patient(valkey_url) for _ in range(2)]

    async def hammer(replica: RedisBuckets) -> int:
        return sum([(await replica.take(bucket, DAILY)).allowed for _ in range(10)])

    granted = await asyncio.gather(*[hammer(replica) for replica in replicas for _ in range(20)])
    assert sum(granted) == DAILY.count
    for replica in replicas:
        await replica.close()


async def test_what_is_asked_during_a_round_trip_shares_the_next(valkey_url: str, bucket: str) -> None:
    async with Redis.from_url(valkey_url) as redis:
        buckets = RedisBuckets(redis)
        await buckets.take(bucket, DAILY)
        before = await commands(redis)
        await asyncio.gather(*[buckets.take(f"{bucket}{number % 7}", DAILY) for number in range(200)])
        assert await commands(redis) - before <= 2


async def commands(redis: Redis) -> int:
    return (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]


async def test_looking_at_a_shared_bucket_takes_nothing(shared: RedisBuckets, bucket: str) -> None:
    limit = RateLimit(1, 86_400)
    assert [(await shared.peek(bucket, limit)).allowed for _ in range(3)] == [True] * 3
    await shared.take(bucket, limit)
    assert not (await shared.peek(bucket, limit)).allowed


async def test_a_caller_that_gives_up_does_not_take_the_others_along(
    shared: RedisBuckets, bucket: str
) -> None:
    callers = [asyncio.create_task(shared.take(bucket, DAILY)) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    assert [(await caller).remaining for caller in callers[1:]] == [98, 97]


async def test_tokens_come_back_on_the_clock_of_the_server(shared: RedisBuckets, bucket: str) -> None:
    limit = RateLimit(20, 1)
    started, granted = time.monotonic(), 0
    async with asyncio.timeout(30):
        while granted < 40:
            granted += (await shared.take(bucket, limit)).allowed
    assert granted <= 20 + 20 * (time.monotonic() - started) + 1


async def test_a_full_bucket_leaves_no_key(valkey_url: str, shared: RedisBuckets, bucket: str) -> None:
    await shared.take(bucket, RateLimit(1000, 1))
    await shared.take(bucket + "slow", DAILY)
    async with Redis.from_url(valkey_url) as redis:
        assert await redis.pttl(f"{{api-access}}:{bucket}") <= 1
        assert 800_000 < await redis.pttl(f"{{api-access}}:{bucket}slow") <= 864_000


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, 7, 1000]), st.booleans()), max_size=60
    )
)
async def test_memory_and_server_answer_the_same(valkey_url: str, asked: list[tuple[str, int, bool]]) -> None:
    shared, local = patient(valkey_url), MemoryBuckets()
    example = uuid4().hex
    for name, count, looking in asked:
        limit = RateLimit(count, 86_400)
        ask = [buckets.peek if looking else buckets.take for buckets in (shared, local)]
        ours, theirs = [await one(example + name, limit) for one in ask]
        assert ours[:3] == theirs[:3]
        # A token of the thousand takes 86 s; the two may be asked some seconds apart.
        assert abs(ours.reset_seconds - theirs.reset_seconds) <= 30
    await shared.close()


async def test_a_server_that_dies_and_comes_back_is_fallen_back_from_and_healed(
    own_valkey: EmbeddedValkey, bucket: str
) -> None:
    clock, before = Mock(return_value=0.0), fallbacks()
    shared = patient(own_valkey.url)
    buckets = FallbackBuckets(shared, MemoryBuckets(), clock)
    with capture_logs() as logs:
        assert (await buckets.take(bucket, DAILY)).remaining == 99
        assert own_valkey.pid
        os.kill(own_valkey.pid, signal.SIGKILL)
        in_memory = [(await buckets.take(bucket, DAILY)).remaining for _ in range(3)]
        assert in_memory == [99, 98, 97]
        own_valkey.stop()
        own_valkey.start()
        assert (await buckets.take(bucket, DAILY)).remaining == 96
        clock.return_value = 1.0
        assert (await buckets.take(bucket, DAILY)).remaining == 99
        assert (await buckets.peek(bucket, DAILY)).remaining == 99
    assert [entry["event"] for entry in logs] == [
        "rate_limits_fall_back_to_memory",
        "rate_limits_are_shared_again",
    ]
    assert fallbacks() - before == 4
    await shared.close()


async def test_a_server_that_hangs_holds_up_one_round_of_requests_and_no_more(
    own_valkey: EmbeddedValkey, bucket: str, skip_ahead: Callable[[float], None]
) -> None:
    clock = Mock(return_value=0.0)
    connected = patient(own_valkey.url)
    shared = Mock(wraps=connected)
    round_trips = connected._script = Mock(wraps=connected._script)
    buckets = FallbackBuckets(shared, MemoryBuckets(), clock)
    await connected.peek(bucket, DAILY)
    round_trips.reset_mock()
    assert own_valkey.pid
    os.kill(own_valkey.pid, signal.SIGSTOP)
    try:
        await given_up(taken(buckets, bucket, 50), skip_ahead)
        assert (shared.take.call_count, round_trips.call_count) == (50, 1)
        await taken(buckets, bucket, 200)
        assert shared.take.call_count == 50
        clock.return_value = 1.0
        probe, *others = [taken(buckets, bucket, 1) for _ in range(201)]
        await asyncio.gather(*others)
        assert not probe.done()
        await given_up(probe, skip_ahead)
        assert (shared.take.call_count, round_trips.call_count) == (51, 2)
    finally:
        os.kill(own_valkey.pid, signal.SIGCONT)
    await connected.close()


def taken(buckets: FallbackBuckets, bucket: str, times: int) -> asyncio.Future[list[Decision]]:
    return asyncio.gather(*[buckets.take(bucket, RateLimit(1000, 60)) for _ in range(times)])


async def given_up(asked: asyncio.Future[Any], skip_ahead: Callable[[float], None]) -> None:
    """Let the time pass that the server has to answer, until its time is up."""
    for _ in range(100):
        await asyncio.sleep(0.05)
        if asked.done():
            break
        skip_ahead(60)
    assert asked.done()


async def test_a_server_has_a_quarter_of_a_second(valkey_url: str) -> None:
    buckets = RedisBuckets.connect(valkey_url)
    told = buckets._redis.connection_pool.connection_kwargs
    assert told["socket_timeout"] == told["socket_connect_timeout"] == 0.25


async def test_alone_the_shared_buckets_say_that_the_server_is_away() -> None:
    with pytest.raises(RedisError):
        await RedisBuckets.connect("redis://127.0.0.1:1").take("a", DAILY)


async def test_a_password_in_the_address_reaches_no_log(bucket: str) -> None:
    buckets = FallbackBuckets(RedisBuckets.connect("redis://:canary@127.0.0.1:1"), MemoryBuckets())
    with capture_logs() as logs:
        assert (await buckets.take(bucket, DAILY)).allowed
    assert len(logs) == 1
    assert "canary" not in str(logs)
