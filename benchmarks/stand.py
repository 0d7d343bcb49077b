"""The test stand: servers of its own in a folder of its own, and nothing left of them afterwards."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import urlsplit

import asyncpg
from load import Address
from running import bare_routes, running
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from topology import Topology, load

from api_access import KeyStore, RateLimit, asyncpg_url
from dependency_graph.infrastructure.migrating import migrate
from embedded_services import EmbeddedPostgres, EmbeddedValkey
from embedded_services.server import free_port

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
    async def service(
        self, database_url: str, settings: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Address]:
        """The dependency graph service on a database, in one process, as it is deployed."""
        address = Address(free_port(), await _key(database_url))
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": self.valkey_url,
            "API_PORT": str(address.port),
            "API_WORKERS": "1",
            **(settings or {}),
        }
        with running(self.folder, ["-m", "dependency_graph", "serve"], address.port, environment):
            yield address

    @asynccontextmanager
    async def bare(self, answers: Mapping[str, bytes]) -> AsyncGenerator[Address]:
        """A server with nothing but a FastAPI route for each of `answers`, by its path without the slash."""
        with bare_routes(self.folder, "fastapi", answers) as address:
            yield address


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _key(database_url: str) -> str:
    engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
    limits = {"query": UNLIMITED, "ingestion": UNLIMITED}
    return (await KeyStore(engine).create("benchmark", ("read", "write", "admin"), limits))[0]
