"""Two replicas of two workers each, on one database and one Valkey, which may be anything but well."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from itertools import count, cycle
from uuid import uuid4

import httpx
import pytest
from factories import body
from redis.asyncio import Redis
from running_service import API, INGEST, UNLIMITED, RunningService, make_key_with_limits, patient, until

from api_access import RateLimit
from embedded_services import EmbeddedValkey

AWAY, BACK = '"rate_limits_fall_back_to_memory"', '"rate_limits_are_shared_again"'


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    module_database_url: str, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Generator[list[RunningService]]:
    folder = tmp_path_factory.mktemp("replicas")

    def start(_number: int) -> RunningService:
        return RunningService(folder, DATABASE_URL=module_database_url, REDIS_URL=patient(valkey.url, 1))

    with ThreadPoolExecutor() as threads, ExitStack() as stack:
        yield [stack.enter_context(replica) for replica in threads.map(start, range(2))]


@pytest.fixture(scope="module")
def key(module_database_url: str) -> str:
    """A key without limits."""
    return make_key_with_limits(module_database_url, query=UNLIMITED, ingestion=UNLIMITED)


@pytest.fixture
async def clients(
    replicas: list[RunningService], key: str
) -> AsyncGenerator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """One of each replica; any worker may take a request."""
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(replica.client(key, keep_alive=False)) for replica in replicas
        ]
        yield one, other


async def _statuses(clients: Iterable[httpx.AsyncClient], key: str, times: int) -> Counter[int]:
    """How so many reads at once with this key are answered, by the clients in turn."""
    turns = zip(cycle(clients), range(times), strict=False)
    reads = [client.get(f"{API}/services?limit=1", headers={"X-API-Key": key}) for client, _ in turns]
    return Counter(answer.status_code for answer in await asyncio.gather(*reads))


async def _is_shared_exactly(module_database_url: str, clients: Iterable[httpx.AsyncClient]) -> None:
    """Nothing worth a token comes back during this."""
    limits = (RateLimit(30, 86_400), RateLimit(7, 86_400))
    keys = [
        await asyncio.to_thread(make_key_with_limits, module_database_url, query=limit) for limit in limits
    ]
    told = await asyncio.gather(*[_statuses(clients, key, 60) for key in keys])
    assert told == [{200: limit.count, 429: 60 - limit.count} for limit in limits]


def _dependencies(service_id: str, **parameters: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{API}/services/{service_id}/dependencies?{query}"


async def _metric(replicas: Iterable[RunningService], name: str) -> float:
    """A sample summed over all processes."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        pages = [(await client.get(f"{replica.url}/metrics")).text for replica in replicas]
    return sum(
        float(value)
        for page in pages
        for value in re.findall(f"^{re.escape(name)} (.+)$", page, re.MULTILINE)
    )


async def test_a_key_has_its_limit_once_for_both(
    module_database_url: str, clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    await _is_shared_exactly(module_database_url, clients)


async def test_a_write_through_one_is_in_the_next_answer_of_the_other(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    seen: set[str] = set()
    for number, (one, other) in zip(range(12), cycle([clients, clients[::-1]]), strict=False):
        seen.add(f"seen-{number}")
        written = await one.post(INGEST, json=body(("first", f"seen-{number}")))
        for parameters in ({}, {"include_stale": "true"}):
            read = (await other.get(_dependencies("first", **parameters))).json()
            assert read["generation"] == written.json()["generation"]
            assert {node["service_id"] for node in read["nodes"]} == seen
    assert (await clients[0].delete(f"{API}/services/first")).status_code == 200
    assert (await clients[1].get(_dependencies("first"))).status_code == 404


async def test_an_answer_that_one_worked_out_the_other_takes_from_valkey(
    replicas: list[RunningService], clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    await clients[0].post(INGEST, json=body(("worked", "out")))
    sample = 'response_cache_lookups_total{result="redis"}'
    before = await _metric(replicas, sample)
    # Queries that no replica answers from the graph in its memory; a busy machine may need several.
    for limit in range(1, 30):
        first = await clients[0].get(_dependencies("worked", min_confidence=0.5, limit=limit))
        path = _dependencies("worked", limit=limit, min_confidence="0.50")
        others = [await client.get(path) for client in clients * 6]
        assert {answer.content for answer in others} == {first.content}
        if await _metric(replicas, sample) > before:
            return
    pytest.fail("no answer came from Valkey")


async def _rubbish_everywhere(valkey: EmbeddedValkey) -> None:
    async with Redis.from_url(valkey.url) as redis:
        for name in await redis.keys("dependency-graph:answer:*"):
            await redis.set(name, b'{"nodes":[]}')


async def _forget_everything(valkey: EmbeddedValkey) -> None:
    async with Redis.from_url(valkey.url) as redis:
        await redis.flushall()


async def _become_full(valkey: EmbeddedValkey) -> None:
    async with Redis.from_url(valkey.url) as redis:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 1)


async def _hang(valkey: EmbeddedValkey) -> None:
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)


async def _go_on(valkey: EmbeddedValkey) -> None:
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGCONT)


async def _die(valkey: EmbeddedValkey) -> None:
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    await asyncio.to_thread(until, lambda: valkey.exit_code() is not None)


async def _come_back(valkey: EmbeddedValkey) -> None:
    await asyncio.to_thread(valkey.start)


MISHAPS = (_rubbish_everywhere, _forget_everything, _become_full, _hang, _go_on, _die, _come_back)


async def test_whatever_befalls_valkey_no_answer_is_old_or_wrong_and_limits_are_shared_again(
    module_database_url: str,
    valkey: EmbeddedValkey,
    replicas: list[RunningService],
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    names = (f"petal-{number}" for number in count())
    start, known = uuid4().hex, list[str]()

    async def write() -> None:
        known.append(next(names))
        written = await clients[0].post(INGEST, json=body(*[(start, name) for name in known]))
        assert written.status_code == 202

    async def read(times: int) -> None:
        reads = [client.get(_dependencies(start, min_confidence=0.5)) for client in clients * times]
        for answer in await asyncio.gather(*reads):
            assert {node["service_id"] for node in answer.json()["nodes"]} == set(known)

    for mishap in MISHAPS:
        await write()
        await read(1)
        await mishap(valkey)
        await read(8)
        await write()
        await read(8)
    await _until_all_are_back(replicas, clients)
    await _is_shared_exactly(module_database_url, clients)
    for sample in (
        "rate_limit_fallbacks_total",
        'response_cache_errors_total{kind="read"}',
        'response_cache_errors_total{kind="write"}',
        'response_cache_errors_total{kind="rubbish"}',
    ):
        assert await _metric(replicas, sample) > 0, sample


async def _until_all_are_back(replicas: list[RunningService], clients: Iterable[httpx.AsyncClient]) -> None:
    """Every worker that missed Valkey finds it when it is asked the next time."""
    async with asyncio.timeout(120):
        while any(replica.log.count(BACK) < replica.log.count(AWAY) for replica in replicas):
            for client in clients:
                assert (await client.get(f"{API}/services?limit=1")).status_code == 200


async def test_clients_see_nothing_of_a_dying_valkey_but_their_limits(
    module_database_url: str,
    valkey: EmbeddedValkey,
    replicas: list[RunningService],
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    limited = await asyncio.to_thread(make_key_with_limits, module_database_url, query=RateLimit(40, 86_400))
    before = await _metric(replicas, "rate_limit_fallbacks_total")
    assert (await _statuses(clients, limited, 20)) == {200: 20}
    dying = asyncio.create_task(_statuses(clients, limited, 60))
    await _die(valkey)
    outage = await dying + await _statuses(clients, limited, 300)
    assert outage.keys() == {200, 429}
    # Each of the four workers has a bucket of its own then, beside the one that died.
    assert outage[200] <= 4 * 40 + 20
    assert await _metric(replicas, "rate_limit_fallbacks_total") > before
    await _come_back(valkey)
    await _until_all_are_back(replicas, clients)
    await _is_shared_exactly(module_database_url, clients)
