"""What a collector gets to see of the service."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from factories import body, make_key, started
from running_service import RunningService, until
from sqlalchemy import text
from trace_collector import TraceCollector, trace_collector

from dependency_graph.app import create_app
from dependency_graph.infrastructure.database import Database
from dependency_graph.settings import Settings
from dependency_graph.telemetry import UNTRACED

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=told,other=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
ROUTE = "/api/v1/services/{service_id}/dependencies"


@pytest.fixture
def collector() -> Generator[TraceCollector]:
    with trace_collector() as collector:
        yield collector


@asynccontextmanager
async def _serving(settings: Settings, endpoint: str, rate: float = 0) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a service that traces; by its end all spans are with the collector."""
    traced = {"otel_exporter_otlp_endpoint": endpoint, "otel_trace_sample_rate": rate}
    async with started(create_app(settings.model_copy(update=traced))) as manager:
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        headers = {"X-API-Key": await make_key(str(settings.database_url), "read", "write")}
        async with httpx.AsyncClient(transport=transport, base_url="http://graph", headers=headers) as client:
            yield client


async def test_a_request_of_a_sampled_trace_is_a_span_below_that_of_its_caller(
    settings: Settings, collector: TraceCollector
) -> None:
    async with _serving(settings, collector.url) as client:
        await client.post("/api/v1/services/dependencies", json=body("ab"))
        await client.get("/api/v1/services/a/dependencies?depth=1", headers=SAMPLED)
    [span] = collector.named(f"GET {ROUTE}")
    assert (span.trace_id, span.parent_id, span.trace_state) == (TRACE, PARENT, SAMPLED["tracestate"])
    assert (span.kind, span.is_error, span.resource["service.name"]) == ("SERVER", False, "dependency-graph")
    assert set(collector.paths) == {"/v1/traces"}


async def test_a_span_tells_what_was_asked_and_nothing_that_is_secret(
    settings: Settings, collector: TraceCollector
) -> None:
    secret = "fleet_abc123def456_Canary0Canary0Canary0Canary0"
    async with _serving(settings, collector.url) as client:
        path = f"/api/v1/services/{secret}/dependencies?depth=Canary"
        await client.get(path, headers=SAMPLED | {"User-Agent": f"agent {secret}", "X-Token": "Canary"})
    [span] = collector.named(f"GET {ROUTE}")
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": ROUTE,
        "http.response.status_code": 422,
        "url.scheme": "http",
        "url.path": "/api/v1/services/fleet_abc123def456_***/dependencies",
        "server.address": "graph",
        "server.port": span.attributes["server.port"],
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "agent fleet_abc123def456_***",
    }


async def test_work_in_the_database_is_below_the_request(
    settings: Settings, collector: TraceCollector
) -> None:
    async with _serving(settings, collector.url) as client:
        await client.post("/api/v1/services/dependencies", json=body("ab"), headers=SAMPLED)
    [request] = collector.named("POST /api/v1/services/dependencies")
    [write] = collector.named("postgresql write")
    assert (write.trace_id, write.parent_id, write.kind) == (TRACE, request.span_id, "CLIENT")
    assert write.attributes == {"db.system.name": "postgresql"}


async def test_a_request_that_fails_is_a_span_that_says_how_and_not_with_what(
    settings: Settings, database: Database, collector: TraceCollector
) -> None:
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE graph.services RENAME TO gone"))
    async with _serving(settings, collector.url) as client:
        answer = await client.get("/api/v1/services?team=Canary", headers=SAMPLED)
    assert answer.status_code == 500
    assert {(span.name, span.is_error, span.attributes["error.type"]) for span in collector.spans} == {
        ("GET /api/v1/services", True, "ProgrammingError"),
        ("postgresql read", True, "ProgrammingError"),
    }
    assert "Canary" not in str(collector.spans)


async def test_what_is_not_sampled_is_not_exported(settings: Settings, collector: TraceCollector) -> None:
    async with _serving(settings, collector.url, rate=1) as client:
        for _ in range(5):
            await client.get("/api/v1/services", headers=UNSAMPLED)
        await client.get("/api/v1/services?q=sampled")
    [span] = [span for span in collector.spans if span.kind == "SERVER"]
    assert (span.trace_id != TRACE, span.parent_id) == (True, "")


async def test_a_rate_of_zero_traces_nobody_who_does_not_ask(
    settings: Settings, collector: TraceCollector
) -> None:
    async with _serving(settings, collector.url, rate=0) as client:
        for headers in ({}, {"traceparent": "nonsense"}, {"traceparent": SAMPLED["traceparent"].upper()}):
            await client.get("/api/v1/services", headers=headers)
    assert collector.spans == []


async def test_health_metrics_and_exports_to_ourselves_make_no_spans(
    settings: Settings, collector: TraceCollector
) -> None:
    async with _serving(settings, collector.url, rate=1) as client:
        for path in UNTRACED:
            await client.get(path, headers=SAMPLED)
            await client.post(path, headers=SAMPLED)
    assert collector.spans == []


def test_each_worker_exports_while_it_runs(
    database_url: str, tmp_path: Path, collector: TraceCollector
) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACE_SAMPLE_RATE": "1"}
    soon = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    with RunningService(tmp_path, DATABASE_URL=database_url, **settings, **soon) as service:

        def two_have_told() -> bool:
            httpx.get(f"{service.url}/api/v1/services", trust_env=False, timeout=60)
            return len({span.resource["service.instance.id"] for span in collector.spans}) == 2

        until(two_have_told)
    assert {span.name for span in collector.spans} == {"GET"}
    assert {span.resource["deployment.environment.name"] for span in collector.spans} == {"test"}
