"""A stream beside other clients of a really running service with a single connection to the database."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Generator

import httpx
import psutil
import pytest
from factories import body
from running_service import (
    INGEST,
    UNLIMITED,
    RunningService,
    connections,
    hang_up,
    make_key_with_limits,
    until,
)

PATH = f"{INGEST}?source=manual&timestamp=2026-02-14T10:00:00Z"
NDJSON = {"Content-Type": "application/x-ndjson"}
LINE = b'{"source":"half","target":"told"}\n'
MB = 2**20


@pytest.fixture(scope="module")
def database(
    create_database: Callable[..., str], drop_database: Callable[[str], None], migrated_database: str
) -> Generator[str]:
    url = create_database(template=migrated_database)
    yield url
    drop_database(url)


@pytest.fixture(scope="module")
def key(database: str) -> str:
    return make_key_with_limits(database, query=UNLIMITED, ingestion=UNLIMITED)


@pytest.fixture(scope="module")
def service(database: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService]:
    folder = tmp_path_factory.mktemp("streams")
    few = {"API_WORKERS": "1", "DB_POOL_SIZE": "1", "DB_MAX_OVERFLOW": "0"}
    with RunningService(folder, DATABASE_URL=database, **few) as service:
        yield service


def _half(key: str) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: graph\r\nX-API-Key: {key}\r\nContent-Type: application/x-ndjson\r\n"
    )
    return head.encode() + b"Content-Length: 99999\r\n\r\n" + LINE * 100


async def _is_told(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/v1/services/half")).is_success


async def test_streams_that_stall_keep_nobody_waiting_and_those_cut_off_leave_nothing(
    service: RunningService, key: str
) -> None:
    stalled = await connections(service.url, 20, _half(key))
    async with service.client(key) as client, asyncio.timeout(60):
        for number in range(5):
            assert (await client.post(INGEST, json=body(("other", str(number))))).status_code == 202
        hang_up(stalled)
        await asyncio.to_thread(until, lambda: service.log.count('"status": 400') == len(stalled))
        assert not await _is_told(client)
    assert '"status": 500' not in service.log
    assert "Traceback" not in service.log


async def test_a_long_stream_takes_no_more_memory_than_a_short_one(service: RunningService, key: str) -> None:
    [process] = [p for p in service.look() if "dependency_graph" in p.cmdline()]
    await _send(service, key, 5)
    before = process.memory_info().rss
    most = await _send_and_watch(service, key, 80, process)
    assert most - before < 25 * MB


async def _send(service: RunningService, key: str, megabytes: int) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(megabytes * 128):
            yield json.dumps({"service_id": f"s{number}", "metadata": {"text": "x" * 8100}}).encode() + b"\n"

    async with service.client(key) as client:
        answer = await client.post(PATH, content=lines(), headers=NDJSON)
    assert answer.json()["nodes_received"] == megabytes * 128


async def _send_and_watch(service: RunningService, key: str, megabytes: int, process: psutil.Process) -> int:
    sending = asyncio.create_task(_send(service, key, megabytes))
    most = 0
    while not sending.done():
        most = max(most, process.memory_info().rss)
        await asyncio.wait([sending], timeout=0.05)
    await sending
    return most
