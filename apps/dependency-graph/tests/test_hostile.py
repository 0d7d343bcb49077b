"""The service among clients that are many at once, or misbehave."""

import asyncio
import time
from collections import Counter
from collections.abc import Generator
from typing import Any

import asyncpg
import httpx
import pytest
from factories import body, make_key, started
from running_service import (
    API,
    INGEST,
    UNLIMITED,
    RunningService,
    connections,
    hang_up,
    make_key_with_limits,
    patient,
    until_waiting,
)

from dependency_graph.app import create_app
from dependency_graph.settings import Settings

STORM_SECONDS = 5


@pytest.fixture(scope="module")
def key(module_database_url: str) -> str:
    """A key without limits."""
    return make_key_with_limits(module_database_url, query=UNLIMITED, ingestion=UNLIMITED)


@pytest.fixture(scope="module")
def service(
    module_database_url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningService]:
    """Two workers, for the tests that leave them well."""
    folder = tmp_path_factory.mktemp("service")
    shared = {"REDIS_URL": patient(valkey_url)}
    with RunningService(folder, DATABASE_URL=module_database_url, **shared) as service:
        yield service


async def _crowd(service: RunningService, key: str, clients: int) -> list[httpx.Response]:
    """What so many clients at once are answered, who read, write and ask for what is not there."""
    end = time.monotonic() + STORM_SECONDS

    async def one(name: str) -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        async with service.client(key) as client:
            while not answers or time.monotonic() < end:
                written = body(("crowd", f"{name}-{len(answers)}"))
                answers.append(await client.post(INGEST, json=written))
                answers.append(await client.get(f"{API}/services/crowd/dependencies?limit=10"))
                answers.append(await client.get(f"{API}/services/nobody/dependencies"))
        return answers

    told = await asyncio.gather(*(one(f"client-{number}") for number in range(clients)))
    return [answer for answers in told for answer in answers]


async def test_two_hundred_clients_at_once_are_all_answered(service: RunningService, key: str) -> None:
    answers = await _crowd(service, key, 200)
    assert len(answers) >= 600
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() == {200, 202, 404}
    acknowledged = {answer.json()["generation"] for answer in answers if answer.status_code == 202}
    assert len(acknowledged) == statuses[202]
    async with service.client(key) as client:
        there = await client.get(f"{API}/services/crowd/dependencies?limit=10000&direction=downstream")
    assert there.json()["statistics"]["total_nodes"] == len(acknowledged)


async def test_two_hundred_clients_at_once_are_held_to_the_limit(
    service: RunningService, module_database_url: str
) -> None:
    limited = await asyncio.to_thread(make_key_with_limits, module_database_url)
    started = time.monotonic()
    answers = await _crowd(service, limited, 200)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {200, 202, 404, 429}
    # A bucket of a minute's worth, and what flows in while the crowd is there.
    seconds = time.monotonic() - started
    assert 10 <= statuses[202] <= 11 + seconds * 10 / 60
    assert 60 <= statuses[200] + statuses[404] <= 61 + seconds
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) > 400
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


def _flower(petals: int) -> dict[str, Any]:
    """A closed ring through `flower` and so many petals, all edges of which bear that number."""
    ring = ["flower", *(f"petal-{number}" for number in range(petals))]
    nodes = {name: {"petals": petals} for name in ring}
    return body(*zip(ring, [*ring[1:], ring[0]], strict=True), nodes=nodes, timeout_ms=petals)


def _is_whole(answer: httpx.Response) -> bool:
    """Whether all was told by one batch: the newest ring is closed, and every petal knows of it."""
    told: dict[str, Any] = answer.json()
    petals: set[int] = {node["metadata"]["petals"] for node in told["nodes"]}
    newest = [edge for edge in told["edges"] if edge["timeout_ms"] == max(petals)]
    return len(petals) == 1 and len(told["nodes"]) == max(petals) and len(newest) == max(petals) + 1


async def test_readers_never_see_half_a_write_nor_an_older_graph(service: RunningService, key: str) -> None:
    wave = f"{API}/services/flower/dependencies?direction=downstream&depth=10"
    done = asyncio.Event()

    async def write() -> None:
        async with service.client(key, keep_alive=False) as client:
            for petals in range(1, 10):
                written = (await client.post(INGEST, json=_flower(petals))).json()["generation"]
                for limit in (11, 12, 13, 11):
                    read = await client.get(f"{wave}&limit={limit}")
                    assert read.json()["generation"] >= written
                    assert len(read.json()["nodes"]) == petals
        done.set()

    async def read(number: int) -> int:
        seen: list[int] = []
        async with service.client(key, keep_alive=number % 2 == 0) as client:
            while not done.is_set():
                answer = await client.get(f"{wave}&limit={11 + number % 4}")
                if answer.status_code == 200:
                    assert _is_whole(answer), answer.text
                    seen.append(answer.json()["generation"])
        assert seen == sorted(seen)
        return len(set(seen))

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read(number)) for number in range(8)]
        tasks.create_task(write())
    assert max(reader.result() for reader in readers) > 2


async def test_of_a_hundred_identical_ingests_one_does_the_work(service: RunningService, key: str) -> None:
    async with service.client(key, keep_alive=False) as client:
        headers = {"Idempotency-Key": "hundred"}
        ingests = [client.post(INGEST, json=body(("only", "once")), headers=headers) for _ in range(100)]
        answers = await asyncio.gather(*ingests)
    assert {answer.status_code for answer in answers} <= {202, 409}
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.content for answer in done}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1


async def test_when_all_connections_are_in_use_the_others_are_told_to_come_back(
    settings: Settings, database_url: str, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    narrow = create_app(settings.model_copy(update={"db_pool_size": 1, "db_max_overflow": 0}))
    headers = {"X-API-Key": await make_key(database_url, "admin")}
    holder = await asyncpg.connect(database_url)
    async with (
        started(narrow) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://graph", headers=headers
        ) as client,
        asyncio.timeout(60),
    ):
        assert (await client.post(INGEST, json=body("ab"))).status_code == 202
        async with holder.transaction():
            # Whoever writes waits for this row, on the one connection that there is.
            await holder.execute("SELECT FROM graph.generation FOR UPDATE")
            writer = asyncio.create_task(client.post(INGEST, json=body("ac")))
            await until_waiting(holder, 1)
            reads = [client.get(f"{API}/services{path}") for path in ("", "/a", "/a/dependencies")]
            for answer in await asyncio.gather(*reads, client.post(INGEST, json=body("ad"))):
                assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
            assert (await client.get("/livez")).status_code == 200
        assert (await writer).status_code == 202
        there = await client.get(f"{API}/services/a/dependencies")
        assert {node["service_id"] for node in there.json()["nodes"]} == {"b", "c"}
    await holder.close()


async def test_clients_that_stop_half_way_or_go_away_harm_nobody(service: RunningService, key: str) -> None:
    head = f"X-API-Key: {key}\r\nHost: graph\r\n"
    half_a_body = f"POST {INGEST} HTTP/1.1\r\n{head}Content-Length: 999\r\n\r\n{{".encode()
    half_a_head = f"GET {API}/services HTTP/1.1\r\nHo".encode()
    whole = f"GET {API}/services?limit=1000 HTTP/1.1\r\n{head}\r\n".encode()
    for sent in (half_a_body, half_a_head, whole):
        hang_up(await connections(service.url, 100, sent))
    stuck = await connections(service.url, 100, half_a_body) + await connections(
        service.url, 100, half_a_head
    )
    async with service.client(key) as client, asyncio.timeout(60):
        for number in range(20):
            written = await client.post(INGEST, json=body(("patient", str(number))))
            read = await client.get(f"{API}/services/patient/dependencies")
            assert (written.status_code, read.status_code) == (202, 200)
    hang_up(stuck)
    assert '"status": 500' not in service.log
    assert "Traceback" not in service.log


async def test_who_waits_to_write_keeps_no_reader_waiting(
    settings: Settings, database_url: str, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    headers = [{"X-API-Key": await make_key(database_url, "admin")} for _ in range(2)]
    foreign = await asyncpg.connect(database_url)
    async with started(create_app(settings)) as manager:
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://graph", headers=headers[0]
        ) as client:
            async with foreign.transaction(), asyncio.timeout(120):
                await foreign.execute("SELECT FROM graph.generation FOR UPDATE")
                writes = [asyncio.create_task(client.post(INGEST, json=body("ab"))) for _ in range(40)]
                # Half of the pool.
                await until_waiting(foreign, 15)
                # Who had to wait for a connection would be told to come back.
                assert (await client.get("/readyz")).status_code == 200
                # With a key that nobody has looked up yet.
                assert (await client.get(f"{API}/services", headers=headers[1])).status_code == 200
                refused = await asyncio.gather(*writes)
            answers = {(answer.status_code, answer.headers.get("retry-after")) for answer in refused}
            assert answers == {(503, "1")}
            assert (await client.post(INGEST, json=body("ab"))).status_code == 202
    await foreign.close()
