from collections.abc import AsyncGenerator, Callable, Generator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api_access.database_url import asyncpg_url
from api_access.key_store import KeyStore
from api_access.migrating import migrate


@pytest.fixture(scope="session")
def migrated_template(create_database: Callable[..., str]) -> str:
    url = create_database()
    migrate(url)
    return url


@pytest.fixture
def database_url(
    migrated_template: str, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> Generator[str]:
    url = create_database(migrated_template)
    yield url
    drop_database(url)


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine]:
    engine = create_async_engine(asyncpg_url(database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> KeyStore:
    return KeyStore(engine)
