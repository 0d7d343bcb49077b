"""What holds for all routes: keys, limits, health, metrics, documentation."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import httpx
import pytest
from factories import body, make_key, started

from dependency_graph.app import create_app
from dependency_graph.domain.errors import GraphBusy
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.migrating import migrate
from dependency_graph.settings import Settings
from embedded_services import EmbeddedPostgres

INGEST = "/services/dependencies"


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_without_a_key_nothing_below_api_answers(stranger: httpx.AsyncClient) -> None:
    for method, path in [
        ("GET", "/services"),
        ("POST", INGEST),
        ("DELETE", "/services/a"),
        ("GET", "/nowhere"),
    ]:
        answer = await stranger.request(method, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="fleet"')
        assert answer.json()["correlation_id"] == answer.headers["x-request-id"]


async def test_reading_writing_and_limits_follow_the_key(
    stranger: httpx.AsyncClient, database_url: str
) -> None:
    reader, writer = await make_key(database_url, "read"), await make_key(database_url, "write")
    assert (await stranger.post(INGEST, json=body("ab"), headers=_as(reader))).status_code == 403
    written = await stranger.post(INGEST, json=body("ab"), headers=_as(writer))
    assert (written.status_code, written.headers["ratelimit-policy"]) == (202, '"ingestion";q=100000;w=60')
    read = await stranger.get("/services/a/dependencies", headers={"X-API-Key": reader})
    assert (read.status_code, read.headers["ratelimit-policy"]) == (200, '"query";q=100000;w=60')
    # Also where the answer comes from the cache.
    assert (await stranger.get("/services/a/dependencies", headers=_as(writer))).status_code == 403


async def test_over_the_limit_is_429_with_the_time_to_wait(settings: Settings, database_url: str) -> None:
    strict = settings.model_copy(update={"rate_limit_query": type(settings.rate_limit_query).parse("2/min")})
    async with started(create_app(strict)) as manager:
        transport = httpx.ASGITransport(manager.app)
        token = await make_key(database_url, "read")
        async with httpx.AsyncClient(
            transport=transport, base_url="http://graph", headers=_as(token)
        ) as client:
            answers = [await client.get("/api/v1/services") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 30
    assert answers[-1].json()["type"].startswith("urn:fleet:problem:")


async def test_health_metrics_and_documentation_want_no_key_and_no_network(
    stranger: httpx.AsyncClient,
) -> None:
    for path in ("/livez", "/readyz", "/api/v1/health", "/api/v1/health/ready"):
        answer = await stranger.get(f"http://graph{path}")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    page = (await stranger.get("http://graph/docs")).text
    assert "http://" not in page
    assert "https://" not in page
    assert "swagger-ui-bundle.js" in page
    script = await stranger.get("http://graph/static-offline-docs/swagger-ui-bundle.js")
    assert script.status_code == 200
    schemes = (await stranger.get("http://graph/openapi.json")).json()["components"]["securitySchemes"]
    assert set(schemes) == {"HTTPBearer", "APIKeyHeader"}


async def test_metrics_tell_routes_and_never_services(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body(("very-special", "b")))
    for _ in range(2):
        await client.get("/services/very-special/dependencies")
    metrics = (await client.get("http://graph/metrics")).text
    route = 'route="/api/v1/services/{service_id}/dependencies"'
    assert f'http_requests_total{{method="GET",{route},status="200"}}' in metrics
    assert 'response_cache_lookups_total{result="hit"}' in metrics
    assert "very-special" not in metrics


async def test_a_wrong_method_is_405_and_a_wrong_path_404(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/services/a", json={})).status_code == 405
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.fixture
async def homeless(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a service whose database is not there."""
    gone = settings.model_copy(update={"database_url": "postgresql://nobody:x@127.0.0.1:1/nothing"})
    async with started(create_app(gone)) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://graph") as client:
            yield client


async def test_without_a_database_the_process_lives_and_says_what_is_missing(
    homeless: httpx.AsyncClient,
) -> None:
    assert (await homeless.get("/livez")).status_code == 200
    answer = await homeless.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "database cannot be reached" in answer.json()["detail"]


async def test_a_database_that_is_not_migrated_is_not_ready(
    settings: Settings, create_database: Callable[[], str]
) -> None:
    empty = settings.model_copy(update={"database_url": create_database()})
    async with started(create_app(empty)) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://graph") as client:
            answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "dependency-graph migrate" in answer.json()["detail"]


async def test_a_database_that_dies_is_an_answer_and_not_a_hang_and_heals_by_itself(
    settings: Settings, tmp_path: Path
) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        await asyncio.to_thread(migrate, server.url)
        own = settings.model_copy(update={"database_url": server.url})
        headers = _as(await make_key(server.url, "admin"))
        async with started(create_app(own)) as manager:
            transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://graph", headers=headers
            ) as client:
                assert (await client.post(f"/api/v1{INGEST}", json=body("ab"))).status_code == 202
                assert (await client.get("/api/v1/services/a/dependencies")).status_code == 200
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                await _until(lambda: server.exit_code() is not None)
                for _ in range(3):
                    answer = await client.post(f"/api/v1{INGEST}", json=body("ac"))
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                    assert "is not stored" in answer.json()["detail"]
                    assert (await client.get("/api/v1/services/a/dependencies")).status_code == 503
                await asyncio.to_thread(server.start)
                assert (await client.get("/api/v1/services/a/dependencies")).json()["generation"] == 1


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_when_all_connections_are_in_use_the_answer_is_503(
    database_url: str, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    narrow = Database(database_url, 1, 0)
    async with narrow.write():
        with pytest.raises(GraphBusy, match="in use"):
            async with narrow.read():
                pass
    await narrow.close()
