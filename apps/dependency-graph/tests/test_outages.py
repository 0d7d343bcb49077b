"""The service while what it is made of dies: workers and PostgreSQL.

HOSTILE_ROUNDS sets how often it is killed under load.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import pytest
from factories import body, started
from running_service import (
    API,
    INGEST,
    UNLIMITED,
    RunningService,
    alive,
    connections,
    hang_up,
    make_key_with_limits,
    until,
    until_waiting,
)

from dependency_graph.app import create_app
from dependency_graph.infrastructure.migrating import migrate
from dependency_graph.settings import Settings
from embedded_services import EmbeddedPostgres

ROUNDS = int(os.environ.get("HOSTILE_ROUNDS", "6"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedPostgres]:
    """A server that may be killed; what it acknowledged is on disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="module")
def key(postgres: EmbeddedPostgres) -> str:
    """A key without limits."""
    return make_key_with_limits(postgres.url, query=UNLIMITED, ingestion=UNLIMITED)


@pytest.fixture
def doomed(postgres: EmbeddedPostgres, tmp_path: Path) -> Generator[RunningService]:
    """A service for one test, that may kill it. One worker lets 20 clients wait to write."""
    with RunningService(tmp_path, DATABASE_URL=postgres.url, DB_POOL_SIZE="30") as service:
        yield service


class _Load:
    """Writers that go on until they are told to stop, and what was acknowledged to them."""

    def __init__(self, service: RunningService, key: str) -> None:
        self.generations: dict[str, int] = {}
        self.refused = Counter[int]()
        self._service, self._key = service, key
        self._names = (f"acknowledged-{number}" for number in count())
        self._stop = asyncio.Event()

    async def write(self) -> None:
        async with self._service.client(self._key) as client:
            while not self._stop.is_set():
                name = next(self._names)
                try:
                    answer = await client.post(INGEST, json=body(("survivor", name)))
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 202:
                    self.generations[name] = answer.json()["generation"]
                else:
                    self.refused[answer.status_code] += 1

    async def grow(self, by: int) -> None:
        goal = len(self.generations) + by
        await asyncio.to_thread(until, lambda: len(self.generations) >= goal)

    def stop(self) -> None:
        self._stop.set()


def _names(answer: httpx.Response) -> set[str]:
    return {node["service_id"] for node in answer.json()["nodes"]}


async def test_what_was_acknowledged_outlives_every_kill(
    doomed: RunningService, postgres: EmbeddedPostgres, key: str
) -> None:
    load = _Load(doomed, key)
    backends: set[psutil.Process] = set()
    async with asyncio.TaskGroup() as writers, doomed.client(key) as client:
        for _ in range(8):
            writers.create_task(load.write())
        for number in range(ROUNDS):
            await load.grow(20)
            if number % 2:
                backends |= await asyncio.to_thread(_kill_and_restart, postgres)
                await asyncio.to_thread(until, doomed.is_ready)
            else:
                await asyncio.to_thread(doomed.kill)
                await asyncio.to_thread(doomed.start)
            known = dict(load.generations)
            read = await client.get(f"{API}/services/survivor/dependencies?limit=10000&depth=1")
            assert known.keys() <= _names(read)
            assert read.json()["generation"] >= max(known.values())
        await load.grow(20)
        load.stop()
    assert len(set(load.generations.values())) == len(load.generations)
    assert load.refused.keys() <= {503}
    await asyncio.to_thread(until, lambda: not alive(backends))
    doomed.signal(signal.SIGTERM)
    assert await asyncio.to_thread(doomed.exit_code) == 0
    await asyncio.to_thread(until, lambda: not alive(doomed.seen))


def _kill_and_restart(server: EmbeddedPostgres) -> set[psutil.Process]:
    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    family = {postmaster, *postmaster.children(recursive=True)}
    postmaster.kill()
    until(lambda: server.exit_code() is not None)
    server.start()
    return family


async def test_sigterm_lets_requests_finish_and_waits_for_no_client_that_hangs(
    doomed: RunningService, postgres: EmbeddedPostgres, key: str
) -> None:
    half = f"POST {INGEST} HTTP/1.1\r\nX-API-Key: {key}\r\nHost: graph\r\nContent-Length: 9\r\n\r\n{{"
    stuck = await connections(doomed.url, 20, half.encode())
    connection = await asyncpg.connect(postgres.url)
    async with (
        doomed.client(key, keep_alive=False) as client,
        asyncio.TaskGroup() as requests,
        connection.transaction(),
    ):
        # Whoever writes waits for this row.
        await connection.execute("SELECT FROM graph.generation FOR UPDATE")
        written = [requests.create_task(client.post(INGEST, json=body(("late", str(n))))) for n in range(20)]
        await until_waiting(connection, 20)
        doomed.signal(signal.SIGTERM)
        stopping = asyncio.create_task(asyncio.to_thread(doomed.exit_code))
        await asyncio.to_thread(until, lambda: doomed.log.count("Shutting down") == 2)
    assert {task.result().status_code for task in written} == {202}
    assert await stopping == 0
    hang_up(stuck)
    # Python's tracker of shared resources ends a moment after what it tracks for.
    await asyncio.to_thread(until, lambda: not alive(doomed.seen))
    await connection.close()


@contextmanager
def _hanging(server: EmbeddedPostgres) -> Generator[None]:
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


@pytest.mark.parametrize("in_flight", [0, 6])
async def test_sigterm_ends_the_service_though_the_database_hangs(
    doomed: RunningService, postgres: EmbeddedPostgres, key: str, in_flight: int
) -> None:
    async with doomed.client(key, keep_alive=False) as client, asyncio.TaskGroup() as requests:
        await asyncio.gather(*(client.post(INGEST, json=body("ab")) for _ in range(20)))
        with _hanging(postgres):
            cut_off = [requests.create_task(client.post(INGEST, json=body("ac"))) for _ in range(in_flight)]
            await asyncio.to_thread(until, lambda: _accepted(doomed) == in_flight)
            # And read.
            await asyncio.sleep(0.5 if in_flight else 0)
            doomed.signal(signal.SIGTERM)
            assert await asyncio.to_thread(doomed.exit_code) == 0
    for answer in (task.result() for task in cut_off):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
    await asyncio.to_thread(until, lambda: not alive(doomed.seen))


def _accepted(service: RunningService) -> int:
    """How many connections of clients there are."""
    port = urlsplit(service.url).port
    return sum(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == port
        for process in service.look()
        for connection in process.net_connections("tcp")
    )


@pytest.fixture(params=["a wrong password", "no such database", "no connection left"])
async def refusing(request: pytest.FixtureRequest, postgres: EmbeddedPostgres) -> str:
    """The URL of a database that answers and lets nobody in."""
    address = urlsplit(postgres.url)
    if request.param == "a wrong password":
        return address._replace(netloc=f"postgres:wrong@{address.hostname}:{address.port}").geturl()
    if request.param == "no such database":
        return address._replace(path="/nowhere").geturl()
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE ROLE crowded LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    await connection.close()
    return address._replace(netloc=f"crowded:x@{address.hostname}:{address.port}").geturl()


async def test_a_database_that_lets_nobody_in_is_named_and_no_fault_of_ours(refusing: str) -> None:
    settings = Settings.model_validate({"database_url": refusing})
    key = f"fleet_{'0' * 12}_" + "x" * 38
    async with started(create_app(settings)) as manager:
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://graph") as client:
            ready = await client.get("/readyz")
            assert (await client.get("/livez")).status_code == 200
            asked = await client.get(f"{API}/services", headers={"X-API-Key": key})
    assert (ready.status_code, ready.headers.get("retry-after")) == (503, "1")
    assert "database" in ready.json()["detail"]
    assert asked.status_code in (401, 503)
