import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from ci_api_factories import make_key
from httpx import ASGITransport
from starlette.types import ASGIApp

from ci_server.app import create_app
from ci_server.settings import Settings
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import migrate

OFTEN = "100000/min"


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database to copy; nobody is connected to it."""
    file = tmp_path_factory.mktemp("migrated") / "ci_jobs.db"
    migrate(Database.of(None, file).url)
    return file


@pytest.fixture
def settings(migrated_file: Path, tmp_path: Path) -> Settings:
    """Of a server with a database and a folder of its own, which runs no jobs."""
    return Settings.model_validate(
        {
            "ci_db_path": shutil.copy(migrated_file, tmp_path / "ci_jobs.db"),
            "ci_data_dir": tmp_path / "ci_data",
            "ci_database_url": None,
            "access_database_url": None,
            "redis_url": None,
            "ci_controller": False,
            "rate_limit_submit": OFTEN,
            "rate_limit_read": OFTEN,
        }
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncGenerator[Database]:
    """The database of `settings`."""
    database = Database.of(None, settings.ci_db_path)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def files(settings: Settings) -> JobFiles:
    return JobFiles(settings.ci_data_dir)


@pytest.fixture
async def app(settings: Settings) -> AsyncGenerator[ASGIApp]:
    async with LifespanManager(create_app(settings)) as manager:
        yield manager.app


@pytest.fixture
async def stranger(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without a key. An answer is there once all of it was sent: no streams."""
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ci") as client:
        yield client


@pytest.fixture
async def client(stranger: httpx.AsyncClient, database: Database) -> httpx.AsyncClient:
    """A client of the user `tests`, who may read and write."""
    stranger.headers.update(await make_key(database, "read", "write"))
    return stranger
