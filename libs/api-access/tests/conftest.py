from collections.abc import AsyncGenerator, Callable, Generator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_access.engines import create_engine
from api_access.key_store import KeyStore
from api_access.migrating import migrate


@pytest.fixture(autouse=True)
def patience() -> Generator[pytest.MonkeyPatch]:
    """What has to be done within a few seconds has a minute: on a busy machine a few may just pass.

    Call its `undo` for the real bounds.
    """
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr("api_access.key_store._TIMEOUT_SECONDS", 60)
        patience.setattr("api_access.key_use._STOP_SECONDS", 60)
        yield patience


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
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> KeyStore:
    return KeyStore(engine)
