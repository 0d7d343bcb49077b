"""Discovery from a real Prometheus that scrapes what the collector's connector and Tempo write."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
import pytest
from factories import make_key, started
from real_prometheus import RealPrometheus, needs_prometheus, real_prometheus
from running_service import until

from dependency_graph.app import create_app
from dependency_graph.settings import Settings

pytestmark = needs_prometheus

PREFIX = "traces_service_graph"
SAMPLES = 8


def _series(metric: str, value: float, **labels: str) -> str:
    told = ",".join(f'{name}="{text}"' for name, text in labels.items())
    return f"{PREFIX}_{metric}{{{told}}} {value}"


def _connector(n: int, client: str, server: str, connection_type: str = "") -> list[str]:
    """The collector's connector: the label `failed` splits every metric. Half of the requests fail here."""
    lines: list[str] = []
    for failed in ("false", "true"):
        labels = {"client": client, "server": server, "connection_type": connection_type, "failed": failed}
        lines += [
            _series("request_total", 10 * n, **labels),
            _series("request_server_seconds_bucket", 10 * n, **labels, le="0.1"),
            _series("request_server_seconds_bucket", 10 * n, **labels, le="+Inf"),
        ]
    return [*lines, _series("request_failed_total", 10 * n, **labels)]


def _tempo(n: int, client: str, server: str, **more: str) -> list[str]:
    """Tempo: no label `failed`, and no connection type for plain calls. One request in ten fails."""
    labels = {"client": client, "server": server, **more}
    return [
        _series("request_total", 10 * n, **labels),
        _series("request_failed_total", n, **labels),
        _series("request_server_seconds_bucket", 10 * n, **labels, le="0.5"),
        _series("request_server_seconds_bucket", 10 * n, **labels, le="+Inf"),
    ]


def _page(n: int) -> str:
    lines = [
        *_connector(n, "web", "shop"),
        *_connector(n, "shop", "orders-db", "database"),
        *_connector(n, "shop", "mailer", "messaging_system"),
        *_connector(n, "user", "web", "virtual_node"),
        *_connector(n, "shop", "", "virtual_node"),
        *_tempo(n, "tempo-web", "tempo-shop"),
        *_tempo(n, "tempo-shop", "unknown", connection_type="virtual_node"),
        _series("request_total", 7, client="web", server="idle"),
        _series("request_total", float("nan"), client="web", server="strange"),
        _series("request_total", 10 * (n % 4), client="web", server="restarts"),
    ]
    if n == 1:
        lines.append(_series("request_total", 1, client="web", server="just-once"))
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[RealPrometheus]:
    with real_prometheus(tmp_path_factory.mktemp("prometheus"), _page) as prometheus:
        enough = f"min(count_over_time({PREFIX}_request_total{{client=~'tempo.*'}}[1m])) >= {SAMPLES}"
        until(lambda: prometheus.value(enough))
        yield prometheus


@pytest.fixture
async def client(
    settings: Settings, database_url: str, prometheus: RealPrometheus
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a service that asks the real Prometheus, of the last ten minutes."""
    asking = {"prometheus_url": prometheus.url, "otel_graph_ingest_interval_minutes": 10}
    key = {"X-API-Key": await make_key(database_url, "admin")}
    async with started(create_app(settings.model_copy(update=asking))) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://graph/api/v1", headers=key
        ) as client:
            yield client


async def _run(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.post("/sync/otel_service_graph?wait=true")).json()


async def _edges(client: httpx.AsyncClient) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for start in ("web", "tempo-web"):
        answer = (await client.get(f"/services/{start}/dependencies")).json()
        found |= {(edge["source"], edge["target"]): edge for edge in answer["edges"]}
    return found


async def test_both_dialects_are_understood(client: httpx.AsyncClient) -> None:
    run = await _run(client)
    assert (run["status"], run["error"]) == ("succeeded", None)
    edges = await _edges(client)
    assert edges["web", "shop"]["request_rate"] > 0
    assert edges["web", "shop"]["error_rate"] == pytest.approx(0.5)
    assert 0 < edges["web", "shop"]["p95_ms"] <= 100
    assert edges["tempo-web", "tempo-shop"]["error_rate"] == pytest.approx(0.1)
    assert 100 < edges["tempo-web", "tempo-shop"]["p95_ms"] <= 500
    assert {edge["discovery_source"] for edge in edges.values()} == {"otel_service_graph"}


async def test_a_series_is_seen_whatever_can_be_told_of_its_rate(client: httpx.AsyncClient) -> None:
    await _run(client)
    edges = await _edges(client)
    rates = {target: edge["request_rate"] for (_, target), edge in edges.items()}
    assert (rates["idle"], rates["strange"], rates["just-once"]) == (0, None, None)
    assert rates["restarts"] > 0
    assert {edges["web", target]["error_rate"] for target in ("idle", "strange", "just-once")} == {None}


async def test_kinds_of_connections_and_of_services_are_told(client: httpx.AsyncClient) -> None:
    run = await _run(client)
    assert run["changes"]["skipped"] == 1
    modes = {pair: edge["communication_mode"] for pair, edge in (await _edges(client)).items()}
    assert (modes["shop", "mailer"], modes["shop", "orders-db"]) == ("async", "sync")
    services = (await client.get("/services")).json()["services"]
    types = {service["service_id"]: service["service_type"] for service in services}
    assert types.pop("user") == types.pop("unknown") == "external"
    assert types.pop("orders-db") == "database"
    assert set(types.values()) == {"internal"}


async def test_a_prometheus_that_stops_takes_nothing_from_the_graph(
    client: httpx.AsyncClient, prometheus: RealPrometheus
) -> None:
    await _run(client)
    before = await _edges(client)
    await asyncio.to_thread(prometheus.stop)
    run = await _run(client)
    assert (run["status"], run["changes"]) == ("failed", {})
    assert "PROMETHEUS_URL" in run["error"]
    assert await _edges(client) == before
    sources = (await client.get("/sync")).json()["sources"]
    assert sources[0]["last_run"] == run
