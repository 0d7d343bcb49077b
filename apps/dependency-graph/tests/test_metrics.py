"""What the service tells Prometheus of the graph, of its connections and of its workers."""

import asyncio
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import httpx
import pytest
from factories import body, make_key
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from running_service import RunningService, until
from sqlalchemy import text

from dependency_graph.domain.errors import GraphBusy
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_metrics import GraphMetrics
from dependency_graph.infrastructure.pool_metrics import PoolMetrics

INGEST = "/services/dependencies"
OPENMETRICS = {"Accept": "application/openmetrics-text"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def _size(metrics: GraphMetrics) -> dict[str, float]:
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for metric in await metrics.collect()
        for sample in metric.samples
    }


async def test_the_size_of_the_graph_is_counted(client: httpx.AsyncClient, database: Database) -> None:
    await client.post(INGEST, json=body("ab", "ba", "bc", nodes={"a": {}, "d": {}}))
    assert await _size(GraphMetrics(database)) == {
        "graph_services,true": 2,
        "graph_services,false": 2,
        "graph_dependencies,true": 0,
        "graph_dependencies,false": 3,
        "graph_open_cycles": 1,
    }


async def test_the_last_success_of_each_source_is_told(database: Database) -> None:
    runs = """
        INSERT INTO graph.sync_runs (id, source, status, started_at, finished_at)
        SELECT gen_random_uuid(), source, status, to_timestamp(0), to_timestamp(ended)
        FROM (VALUES ('x', 'succeeded', 10), ('x', 'succeeded', 20), ('x', 'failed', 30), ('y', 'failed', 40))
            AS run (source, status, ended)
    """
    async with database.write() as connection:
        await connection.execute(text(runs))
    told = {name: value for name, value in (await _size(GraphMetrics(database))).items() if "sync" in name}
    assert told == {"sync_last_success_timestamp_seconds,x": 20}


async def test_the_graph_is_counted_at_most_every_30_seconds(
    client: httpx.AsyncClient, database: Database
) -> None:
    clock = _Clock()
    metrics = GraphMetrics(database, clock)
    before = await _size(metrics)
    await client.post(INGEST, json=body("ab"))
    clock.now = 29.9
    assert await _size(metrics) == before
    clock.now = 30
    assert (await _size(metrics))["graph_dependencies,false"] == 1


async def test_without_a_database_metrics_are_there_but_for_the_size_of_the_graph(
    client: httpx.AsyncClient, drop_database: Callable[[str], None], database_url: str
) -> None:
    await asyncio.to_thread(drop_database, database_url)
    told = await client.get("http://graph/metrics")
    assert told.status_code == 200
    assert "http_requests_total" in told.text
    assert "graph_services" not in told.text


async def test_the_use_of_the_pool_is_told(database_url: str) -> None:
    database = Database(database_url, 1, 1)
    metrics = PoolMetrics(database.engine, every_seconds=0.01)
    metrics.start()
    async with database.read(), database.read():
        await asyncio.to_thread(until, lambda: _pool() == {"size": 1, "in_use": 2, "overflow": 1})
    await asyncio.to_thread(until, lambda: _pool() == {"size": 1, "in_use": 0, "overflow": 0})
    await metrics.stop()
    await database.close()


def _pool() -> dict[str, float | None]:
    return {
        name: REGISTRY.get_sample_value(f"database_pool_{name}") for name in ("size", "in_use", "overflow")
    }


async def test_who_gets_no_connection_is_counted(database_url: str, patience: pytest.MonkeyPatch) -> None:
    patience.undo()
    narrow = Database(database_url, 1, 0)
    before = REGISTRY.get_sample_value("database_pool_timeouts_total") or 0
    async with narrow.read():
        with pytest.raises(GraphBusy):
            async with narrow.read():
                pass
    assert REGISTRY.get_sample_value("database_pool_timeouts_total") == before + 1
    await narrow.close()


def _samples(service: RunningService, name: str) -> list[Sample]:
    """Of one worker's answer, whichever took the request."""
    text = httpx.get(f"{service.url}/metrics", headers=OPENMETRICS, trust_env=False, timeout=60).text
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples if sample.name == name]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Generator[RunningService]:
    with RunningService(tmp_path, DATABASE_URL=database_url, DB_POOL_SIZE="3") as service:
        yield service


async def test_a_worker_that_was_killed_leaves_nothing_in_the_gauges(service: RunningService) -> None:
    def pool() -> list[float]:
        return [sample.value for sample in _samples(service, "database_pool_size")]

    await asyncio.to_thread(until, lambda: pool() == [6])
    worker = next(process for process in service.look() if "spawn_main" in " ".join(process.cmdline()))
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.to_thread(until, lambda: not worker.is_running())
    await asyncio.to_thread(until, lambda: pool() == [6])


async def test_slow_and_fast_requests_lead_to_their_traces(
    service: RunningService, database_url: str
) -> None:
    key = await make_key(database_url, "read", "write")
    async with service.client(key, keep_alive=False) as client:
        await client.post(f"/api/v1{INGEST}", json=body("ab"))
        for depth in range(1, 11):
            await client.get(
                f"/api/v1/services/a/dependencies?depth={depth}&include_stale=true", headers=SAMPLED
            )
    for name in ("http_request_duration_seconds_bucket", "graph_traversal_duration_seconds_bucket"):
        # Each worker knows those of its own requests.
        def traces(name: str = name) -> set[str]:
            told = [sample.exemplar for sample in _samples(service, name)]
            return {exemplar.labels["trace_id"] for exemplar in told if exemplar}

        await asyncio.to_thread(until, lambda traces=traces: traces() == {TRACE})
    depths = {s.labels["depth"] for s in _samples(service, "graph_traversal_duration_seconds_count")}
    assert depths == {str(depth) for depth in range(1, 11)}
