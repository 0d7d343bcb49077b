"""Readers of the whole graph who hang up, or lose the database, in a service that really runs."""

import asyncio
import socket
from collections.abc import Callable, Generator
from urllib.parse import urlsplit

import httpx
import pytest
from running_service import API, RunningService, make_key_with_limits, until
from sqlalchemy import text

from dependency_graph.infrastructure.database import Database

# More than the buffers of two sockets hold.
MANY = """
INSERT INTO graph.services (service_id, metadata)
SELECT 'service-' || n, jsonb_build_object('text', repeat('x', 3000)) FROM generate_series(1, 8000) AS n
"""
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'dependency-graph' AND pid <> pg_backend_pid()
"""


async def _execute(url: str, statement: str) -> None:
    database = Database(url, 1, 0)
    async with database.write() as connection:
        await connection.execute(text(statement))
    await database.close()


@pytest.fixture(scope="module")
def url(
    create_database: Callable[..., str], drop_database: Callable[[str], None], migrated_database: str
) -> Generator[str]:
    url = create_database(template=migrated_database)
    asyncio.run(_execute(url, MANY))
    yield url
    drop_database(url)


@pytest.fixture(scope="module")
def service(url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService]:
    limits = {"RATE_LIMIT_QUERY": "100000/min", "API_WORKERS": "1"}
    with RunningService(tmp_path_factory.mktemp("exports"), DATABASE_URL=url, **limits) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: RunningService, url: str) -> Generator[httpx.Client]:
    headers = {"X-API-Key": make_key_with_limits(url)}
    with httpx.Client(base_url=service.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def lazy(service: RunningService, client: httpx.Client) -> Generator[Callable[[], socket.socket]]:
    """Makes readers who ask for the graph and then take next to nothing of it."""
    request = f"GET {API}/graph HTTP/1.1\r\nHost: graph\r\nX-API-Key: {client.headers['X-API-Key']}\r\n\r\n"
    address = urlsplit(service.url)
    readers: list[socket.socket] = []

    def is_served() -> bool:
        reader = socket.socket()
        readers.append(reader)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((address.hostname, address.port))
        reader.sendall(request.encode())
        return reader.recv(12) == b"HTTP/1.1 200"

    def read() -> socket.socket:
        # Who read before may not have left yet.
        until(is_served)
        return readers[-1]

    yield read
    for reader in readers:
        reader.close()


def _asked(client: httpx.Client) -> tuple[int, str | None]:
    with client.stream("GET", f"{API}/graph") as answer:
        return answer.status_code, answer.headers.get("retry-after")


def test_two_are_served_at_once_and_who_hangs_up_makes_room(
    service: RunningService, client: httpx.Client, lazy: Callable[[], socket.socket]
) -> None:
    first = lazy()
    until(lambda: len(client.get(f"{API}/graph").content) > 24_000_000)
    second = lazy()
    assert _asked(client) == (503, "10")
    first.close()
    until(lambda: _asked(client) == (200, None))
    second.close()
    assert "Traceback" not in service.log


def test_an_answer_that_breaks_is_not_taken_for_a_whole_one(
    client: httpx.Client, lazy: Callable[[], socket.socket], url: str
) -> None:
    reader = lazy()
    asyncio.run(_execute(url, CUT))
    last, total = b"", 0
    while piece := reader.recv(100_000):
        last, total = (last + piece)[-5:], total + len(piece)
    # Of a whole one, the last chunk is empty.
    assert (last != b"0\r\n\r\n", total < 24_000_000) == (True, True)
    until(lambda: _asked(client) == (200, None))
