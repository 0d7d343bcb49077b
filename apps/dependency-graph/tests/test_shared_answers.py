import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from dependency_graph.infrastructure.shared_answers import (
    LARGEST_SHARED_BYTES,
    SharedAnswers,
)
from embedded_services import EmbeddedValkey

PATIENCE = 60.0
"""A machine that is busy is not what is tested here."""


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@pytest.fixture
async def redis(valkey_url: str) -> AsyncGenerator[Redis]:
    async with Redis.from_url(valkey_url) as redis:
        yield redis


@pytest.fixture
async def shared(valkey_url: str, namespace: str) -> AsyncGenerator[SharedAnswers]:
    answers = SharedAnswers.connect(valkey_url, 60, namespace, PATIENCE)
    yield answers
    await answers.close()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Generator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
async def lonely(own_valkey: EmbeddedValkey) -> AsyncGenerator[SharedAnswers]:
    """Answers on `own_valkey`."""
    answers = SharedAnswers.connect(own_valkey.url, 60, "n", PATIENCE)
    yield answers
    await answers.close()


def _errors(kind: str) -> float:
    return REGISTRY.get_sample_value("response_cache_errors_total", {"kind": kind}) or 0.0


async def _keep(shared: SharedAnswers, key: str, answer: bytes) -> None:
    shared.keep(key, answer)
    await asyncio.gather(*shared._writes)


async def test_an_answer_is_found_to_the_byte_for_as_long_as_is_set(
    shared: SharedAnswers, redis: Redis, namespace: str
) -> None:
    assert await shared.find("k") is None
    await _keep(shared, "k", b'{"a":"\xc3\xa4\\u0000"}')
    assert await shared.find("k") == b'{"a":"\xc3\xa4\\u0000"}'
    assert 30_000 < await redis.pttl(f"{namespace}:answer:k") <= 60_000
    await redis.pexpire(f"{namespace}:answer:k", 0)
    assert await shared.find("k") is None


RUBBISH: list[Callable[[bytes, bytes], bytes]] = [
    lambda _good, _other: b"",
    lambda _good, _other: b"{}",
    lambda _good, _other: b"x" * 5000,
    lambda good, _other: good[:-1],
    lambda good, _other: good + b"x",
    lambda _good, other: other,
]


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_rubbish_is_no_answer_is_counted_and_gives_way(
    shared: SharedAnswers, redis: Redis, namespace: str, rubbish: Callable[[bytes, bytes], bytes]
) -> None:
    names = [f"{namespace}:answer:{key}" for key in "ko"]
    for key in "ko":
        await _keep(shared, key, b"x" * 100)
    stored: list[Any] = await redis.mget(names)
    await redis.set(names[0], rubbish(*stored))
    before = _errors("rubbish")
    assert await shared.find("k") is None
    assert _errors("rubbish") == before + 1
    await _keep(shared, "k", b"good")
    assert await shared.find("k") == b"good"


async def test_a_value_of_another_kind_is_no_answer_and_gives_way(
    shared: SharedAnswers, redis: Redis, namespace: str
) -> None:
    await redis.rpush(f"{namespace}:answer:k", "list")
    assert await shared.find("k") is None
    await _keep(shared, "k", b"good")
    assert await shared.find("k") == b"good"


async def test_a_server_that_forgets_everything_has_no_answers(
    own_valkey: EmbeddedValkey, lonely: SharedAnswers
) -> None:
    await _keep(lonely, "k", b"a")
    async with Redis.from_url(own_valkey.url) as redis:
        await redis.flushall()
    assert await lonely.find("k") is None


async def test_a_server_that_dies_and_comes_back_is_done_without_and_found_again(
    own_valkey: EmbeddedValkey,
    lonely: SharedAnswers,
) -> None:
    clock, read, write = Mock(return_value=0.0), _errors("read"), _errors("write")
    for outage in (lonely._reading, lonely._writing):
        outage._clock = clock
    with capture_logs() as logs:
        await _keep(lonely, "k", b"a")
        assert own_valkey.pid
        os.kill(own_valkey.pid, signal.SIGKILL)
        for _ in range(3):
            assert await lonely.find("k") is None
            await _keep(lonely, "k", b"b")
        assert (_errors("read"), _errors("write")) == (read + 1, write + 1)
        own_valkey.stop()
        own_valkey.start()
        clock.return_value = 1.0
        await _keep(lonely, "k", b"c")
        assert await lonely.find("k") == b"c"
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("shared_answers_are_not_read", "warning"),
        ("shared_answers_are_not_kept", "warning"),
        ("shared_answers_are_kept_again", "info"),
        ("shared_answers_are_read_again", "info"),
    ]


async def test_a_server_that_hangs_holds_up_one_moment_of_requests_and_no_more(
    own_valkey: EmbeddedValkey, lonely: SharedAnswers, skip_ahead: Callable[[float], None]
) -> None:
    clock = lonely._reading._clock = Mock(return_value=0.0)
    await _keep(lonely, "k", b"a")
    asked = lonely._redis.mget = Mock(wraps=lonely._redis.mget)
    assert own_valkey.pid
    os.kill(own_valkey.pid, signal.SIGSTOP)
    try:
        # Far more than there are connections, and yet their time is up at the same moment.
        crowd = asyncio.gather(*[lonely.find("k") for _ in range(100)])
        async with asyncio.timeout(30):
            while asked.call_count < 8:
                await asyncio.sleep(0.01)
        skip_ahead(PATIENCE)
        assert set(await asyncio.wait_for(crowd, 30)) == {None}
        assert set(await asyncio.gather(*[lonely.find("k") for _ in range(100)])) == {None}
        assert asked.call_count == 8
    finally:
        os.kill(own_valkey.pid, signal.SIGCONT)
    clock.return_value = 1.0
    assert await lonely.find("k") == b"a"


def test_a_server_has_a_quarter_of_a_second(valkey_url: str) -> None:
    assert SharedAnswers.connect(valkey_url, 60, "n")._timeout_seconds == 0.25


async def test_a_server_that_is_full_is_read_all_the_same(
    own_valkey: EmbeddedValkey, lonely: SharedAnswers
) -> None:
    before = _errors("write")
    await _keep(lonely, "k", b"a")
    async with Redis.from_url(own_valkey.url) as redis:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 1)
    with capture_logs() as logs:
        for _ in range(3):
            await _keep(lonely, "l", b"b")
            assert [await lonely.find(key) for key in "kl"] == [b"a", None]
    assert [entry["event"] for entry in logs] == ["shared_answers_are_not_kept"]
    assert _errors("write") == before + 1


async def test_a_crowd_shares_a_few_connections(own_valkey: EmbeddedValkey, lonely: SharedAnswers) -> None:
    await _keep(lonely, "k", b"a")
    assert await asyncio.gather(*[lonely.find("k") for _ in range(200)]) == [b"a"] * 200
    async with Redis.from_url(own_valkey.url) as redis:
        assert (await redis.info("clients"))["connected_clients"] <= 8 + 1


async def test_an_answer_that_is_too_large_is_not_shared(shared: SharedAnswers) -> None:
    await _keep(shared, "largest", b"x" * LARGEST_SHARED_BYTES)
    await _keep(shared, "larger", b"x" * (LARGEST_SHARED_BYTES + 1))
    assert len(await shared.find("largest") or b"") == LARGEST_SHARED_BYTES
    assert await shared.find("larger") is None


async def test_what_is_more_than_there_is_time_for_is_not_kept(shared: SharedAnswers) -> None:
    for number in range(20):
        shared.keep(str(number), b"a")
    await asyncio.gather(*shared._writes)
    found = [await shared.find(str(number)) for number in range(20)]
    assert found == [b"a"] * 8 + [None] * 12


async def test_stopping_waits_for_what_is_being_kept(valkey_url: str, namespace: str, redis: Redis) -> None:
    shared = SharedAnswers.connect(valkey_url, 60, namespace, PATIENCE)
    shared.keep("k", b"a")
    await shared.close()
    assert await redis.exists(f"{namespace}:answer:k")


async def test_a_password_in_the_address_reaches_no_log() -> None:
    shared = SharedAnswers.connect("redis://:canary@127.0.0.1:1", 60, "n")
    with capture_logs() as logs:
        assert await shared.find("k") is None
        await _keep(shared, "k", b"a")
    assert len(logs) == 2
    assert "canary" not in str(logs)
    await shared.close()
