"""The real servers that the tests of all members share, one of each for a run."""

import asyncio
import os
import secrets
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

# How long a test takes is no part of what it says: the machine may be doing other things.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No ToolHive of this machine is looked for, unless a test says so.
os.environ["TOOLHIVE_URL"] = "http://127.0.0.1:9"

# A test database need not survive a power cut.
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session", autouse=True)
def cheap_keys() -> Generator[None]:
    """The hash of a key protects nothing here, and took most of the time of a test that asks a service."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api_access.keys._ROUNDS", 4)
        yield


class ThrowawayDatabases:
    """Databases of random names on one server; what is not dropped by the end of the run is dropped then."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._names: set[str] = set()

    def create(self, template: str | None = None) -> str:
        """A new database's URL; a copy of the one at the URL `template`, to which nobody may be connected."""
        name = f"test_{secrets.token_hex(8)}"
        source = _name_in(template) if template else "template1"
        # As files, which is the quicker way for one as small as these.
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
        self._names.add(name)
        return urlsplit(self._server_url)._replace(path=f"/{name}").geturl()

    def drop(self, url: str) -> None:
        """Drop the database at `url`, and the connections to it."""
        name = _name_in(url)
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._names.discard(name)

    def drop_all(self) -> None:
        for name in list(self._names):
            self.drop(f"postgresql:///{name}")

    def _execute(self, statement: str) -> None:
        # In a thread: the caller may be a test that is on an event loop of its own.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, _execute(self._server_url, statement)).result()


async def _execute(url: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _name_in(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def throwaway_databases(tmp_path_factory: pytest.TempPathFactory) -> Generator[ThrowawayDatabases]:
    """On the server of TEST_DATABASE_URL, or of a container (TEST_DATABASE=container), or an embedded one.

    That is PostgreSQL 18, or with TEST_POSTGRES_VERSION=16 the oldest that is supported.
    """
    with _database_server(tmp_path_factory.mktemp("postgres")) as url:
        databases = ThrowawayDatabases(url)
        yield databases
        databases.drop_all()


def _database_server(data_dir: Path) -> AbstractContextManager[str]:
    if url := os.environ.get("TEST_DATABASE_URL"):
        return nullcontext(url)
    if os.environ.get("TEST_DATABASE") == "container":
        return _database_container()
    return _embedded_database(data_dir)


@contextmanager
def _database_container() -> Generator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:16", driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def _embedded_database(data_dir: Path) -> Generator[str]:
    from embedded_services import EmbeddedPostgres

    version = 16 if os.environ.get("TEST_POSTGRES_VERSION") == "16" else 18
    with EmbeddedPostgres(data_dir, version=version, settings=FAST_AND_FORGETFUL) as server:
        yield server.url


@pytest.fixture(scope="session")
def create_database(throwaway_databases: ThrowawayDatabases) -> Callable[..., str]:
    """`create_database(template: str | None = None) -> str`: a new database's URL, `postgresql://…`.

    With the URL of a database to which nobody is connected, the new one is a copy of that.
    """
    return throwaway_databases.create


@pytest.fixture(scope="session")
def drop_database(throwaway_databases: ThrowawayDatabases) -> Callable[[str], None]:
    """`drop_database(url: str)`: drop that database, and the connections to it."""
    return throwaway_databases.drop


@pytest.fixture
async def skip_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`skip_ahead(seconds: float)`: for the timers of the event loop so much time passes at once.

    With this and a deadline of hours, what has to be done by then is, however busy the machine.
    """
    loop = asyncio.get_running_loop()
    time, skipped = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: time() + skipped)

    def skip(seconds: float) -> None:
        nonlocal skipped
        skipped += seconds

    return skip


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A Valkey (or the Redis of TEST_REDIS_URL) that is shared by the run: use keys of your own."""
    from embedded_services import EmbeddedValkey

    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url
