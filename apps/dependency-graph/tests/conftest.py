from collections.abc import AsyncGenerator, Callable, Generator

import httpx
import pytest
from factories import NOON, batch, make_key, started
from httpx import ASGITransport
from mcp_agent import Agent, agent_of
from starlette.types import ASGIApp
from toolhive_server import ToolhiveServer

from dependency_graph.app import create_app
from dependency_graph.application.ingest import ingest
from dependency_graph.domain.dependency import DependencyCriticality
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.migrating import migrate
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.settings import Settings
from toolhive_client import ToolhiveClient

WITHIN_SECONDS = (
    "api_access.key_store._TIMEOUT_SECONDS",
    "dependency_graph.infrastructure.database.POOL_WAIT_SECONDS",
    "dependency_graph.infrastructure.graph_metrics._COUNTED_WITHIN_SECONDS",
    "dependency_graph.shutdown.STOP_SECONDS",
    "observability.tracing.FLUSH_SECONDS",
)


@pytest.fixture(autouse=True)
def patience() -> Generator[pytest.MonkeyPatch]:
    """What has to be done within a few seconds has a minute: on a busy machine a few may just pass.

    Call its `undo` for the real bounds.
    """
    with pytest.MonkeyPatch.context() as patience:
        for name in WITHIN_SECONDS:
            patience.setattr(name, 60)
        yield patience


@pytest.fixture(scope="session")
def migrated_database(create_database: Callable[..., str]) -> str:
    """A database to copy; nobody may be connected to it."""
    url = create_database()
    migrate(url)
    return url


@pytest.fixture
def database_url(
    create_database: Callable[..., str], drop_database: Callable[[str], None], migrated_database: str
) -> Generator[str]:
    url = create_database(template=migrated_database)
    yield url
    drop_database(url)


@pytest.fixture(scope="module")
def module_database_url(
    create_database: Callable[..., str], drop_database: Callable[[str], None], migrated_database: str
) -> Generator[str]:
    """One for all tests of a module, whose services are slow to start."""
    url = create_database(template=migrated_database)
    yield url
    drop_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    database = Database(database_url, 4, 0)
    yield database
    await database.close()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": None,
            "rate_limit_ingestion": "100000/min",
            "rate_limit_query": "100000/min",
        }
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncGenerator[ASGIApp]:
    async with started(create_app(settings)) as manager:
        yield manager.app


@pytest.fixture
async def stranger(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without a key."""
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://graph/api/v1") as client:
        yield client


@pytest.fixture
async def client(stranger: httpx.AsyncClient, database_url: str) -> httpx.AsyncClient:
    """A client that may do everything."""
    stranger.headers["Authorization"] = f"Bearer {await make_key(database_url, 'read', 'write', 'admin')}"
    return stranger


@pytest.fixture
async def agent(database: Database) -> AsyncGenerator[Agent]:
    """An agent that calls MCP tools in memory."""
    async with agent_of(database) as agent:
        yield agent


@pytest.fixture
async def cyclic(database: Database) -> None:
    """A graph of `a -> b -> c -> a`, where the last step is soft."""
    async with graph_transaction(database) as graph:
        await ingest(batch("ab", "bc", nodes={"a": {"team": "t"}}), graph, NOON)
        await ingest(batch("ca", criticality=DependencyCriticality.SOFT), graph, NOON)


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


@pytest.fixture
async def toolhive_client(toolhive: ToolhiveServer) -> AsyncGenerator[ToolhiveClient]:
    """A client of `toolhive` that does not wait between its tries."""

    async def at_once(_seconds: float) -> None:
        """Not at all."""

    async with ToolhiveClient(toolhive.url, timeout_seconds=30, sleep=at_once) as client:
        yield client
