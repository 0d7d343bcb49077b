"""A graph that is set back and goes on otherwise tells other things at a generation that was there before."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from factories import body, make_key, started
from httpx import ASGITransport
from sqlalchemy import text

from dependency_graph.app import create_app
from dependency_graph.infrastructure.database import Database
from dependency_graph.settings import Settings

INGEST = "/services/dependencies"
PATHS = [
    # The message as it was; the same query otherwise put; and one that the graph in memory cannot answer.
    "/services/a/dependencies",
    "/services/a/dependencies?depth=3",
    "/services/a/dependencies?min_confidence=0.5",
]


@pytest.fixture
async def client(settings: Settings, valkey_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a service with all its caches."""
    cached = settings.model_copy(update={"redis_url": valkey_url})
    key = await make_key(str(settings.database_url), "read", "write", "admin")
    async with started(create_app(cached)) as manager:
        transport = ASGITransport(manager.app)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://graph/api/v1",
            headers={"Authorization": f"Bearer {key}"},
        ) as client:
            yield client


async def _version(database: Database) -> dict[str, Any]:
    async with database.read() as connection:
        found = await connection.execute(text("SELECT value, revision FROM graph.generation"))
        return dict(found.mappings().one())


async def _set_back(database: Database, empty: dict[str, Any]) -> None:
    """To the graph without dependencies, row by row as a backup has it."""
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM graph.service_dependencies"))
        restored = "UPDATE graph.generation SET value = :value, revision = :revision"
        await connection.execute(text(restored), empty)


async def test_no_layer_gives_what_was_there_at_the_same_generation(
    client: httpx.AsyncClient, database: Database
) -> None:
    backup = await _version(database)
    assert (await client.post(INGEST, json=body("ab"))).json()["generation"] == 1
    # Thrice, so that every layer has had it.
    lost = [await client.get(path) for path in PATHS * 3]
    await _set_back(database, backup)
    assert (await client.post(INGEST, json=body("ac"))).json()["generation"] == 1
    for path, old in zip(PATHS, lost, strict=False):
        answer = await client.get(path, headers={"If-None-Match": old.headers["etag"]})
        assert answer.status_code == 200
        assert answer.json()["generation"] == old.json()["generation"] == 1
        assert [[node["service_id"] for node in told.json()["nodes"]] for told in (old, answer)] == [
            ["b"],
            ["c"],
        ]
