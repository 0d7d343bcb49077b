"""The test stand: servers of its own in a folder of its own, and nothing left of them afterwards."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import monotonic, sleep
from typing import Self
from urllib.parse import urlsplit

import asyncpg
from load import Address
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from topology import Topology, load

from api_access import KeyStore, RateLimit, asyncpg_url
from dependency_graph.infrastructure.migrating import migrate
from embedded_services import EmbeddedPostgres, EmbeddedValkey, dies_with_parent
from embedded_services.server import free_port

BARE_ROUTE = Path(__file__).with_name("bare_route.py")
UP_WITHIN_SECONDS = 30
STOPPED_WITHIN_SECONDS = 15
UNLIMITED = RateLimit(999_999_999, 60)


@dataclass(frozen=True, slots=True)
class Stand:
    """PostgreSQL and Valkey, empty and running, and a folder for what comes with them."""

    folder: Path
    postgres_url: str
    valkey_url: str

    @classmethod
    @contextmanager
    def up(cls) -> Generator[Self]:
        with (
            TemporaryDirectory(prefix="fleet-benchmark-") as name,
            EmbeddedPostgres(Path(name) / "postgres") as postgres,
            EmbeddedValkey(Path(name) / "valkey") as valkey,
        ):
            yield cls(Path(name), postgres.url, valkey.url)

    @asynccontextmanager
    async def database(self, *topologies: Topology) -> AsyncGenerator[tuple[str, asyncpg.Connection]]:
        """The URL of a new database that holds the topologies, and a connection to it."""
        name = f"graph_{secrets.token_hex(4)}"
        await _execute(self.postgres_url, f"CREATE DATABASE {name}")
        url = urlsplit(self.postgres_url)._replace(path=f"/{name}").geturl()
        await asyncio.to_thread(migrate, url)
        connection = await asyncpg.connect(url)
        for topology in topologies:
            await load(connection, topology)
        yield url, connection
        await connection.close()
        await _execute(self.postgres_url, f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def service(self, database_url: str) -> AsyncGenerator[Address]:
        """The dependency graph service on a database, in one process, as it is deployed."""
        address = Address(free_port(), await _key(database_url))
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": self.valkey_url,
            "API_PORT": str(address.port),
            "API_WORKERS": "1",
        }
        with self._running(["-m", "dependency_graph", "serve"], address.port, environment):
            yield address

    @asynccontextmanager
    async def bare(self, answers: Mapping[str, bytes]) -> AsyncGenerator[Address]:
        """A server with nothing but a FastAPI route for each of `answers`, by its path without the slash."""
        folder = Path(mkdtemp(dir=self.folder))
        for name, body in answers.items():
            (folder / name).write_bytes(body)
        address = Address(free_port(), "")
        with self._running([str(BARE_ROUTE), str(address.port), str(folder)], address.port, {}):
            yield address

    @contextmanager
    def _running(self, arguments: list[str], port: int, environment: Mapping[str, str]) -> Generator[None]:
        log = self.folder / f"{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                dies_with_parent([sys.executable, *arguments]),
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )
        try:
            if not _comes_up(port, process):
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}")
            yield
        finally:
            process.terminate()
            process.wait(STOPPED_WITHIN_SECONDS)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _key(database_url: str) -> str:
    engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
    limits = {"query": UNLIMITED, "ingestion": UNLIMITED}
    return (await KeyStore(engine).create("benchmark", ("read", "write"), limits))[0]


def _comes_up(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = monotonic() + UP_WITHIN_SECONDS
    while process.poll() is None and monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            sleep(0.05)
        else:
            return True
    return False
