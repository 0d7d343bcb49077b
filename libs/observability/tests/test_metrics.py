import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.applications import Starlette
from starlette.routing import Route

from observability import MetricSource, TelemetryMiddleware, TracedHistogram, metrics_endpoint
from observability.trace_context import within_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
seconds = TracedHistogram("test_duration_seconds", "Of a test", ["kind"], (0.1, 1))


async def _scrape(accept: str, *sources: MetricSource, method: str = "GET") -> httpx.Response:
    app = TelemetryMiddleware(Starlette(routes=[Route("/metrics", metrics_endpoint(*sources))]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.request(method, "/metrics", headers={"Accept": accept})


def _samples(openmetrics: str, name: str) -> list[Sample]:
    families = text_string_to_metric_families(openmetrics)
    return [sample for family in families for sample in family.samples if sample.name == name]


def _exemplars(openmetrics: str, kind: str) -> dict[str, dict[str, str] | None]:
    return {
        sample.labels["le"]: sample.exemplar.labels if sample.exemplar else None
        for sample in _samples(openmetrics, "test_duration_seconds_bucket")
        if sample.labels["kind"] == kind
    }


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "text/plain, application/openmetrics-text; version=nonsense",
    ],
)
async def test_who_accepts_openmetrics_gets_it(accept: str) -> None:
    answer = await _scrape(accept)
    assert answer.headers["content-type"] == OPENMETRICS
    assert list(text_string_to_metric_families(answer.text))


async def test_others_get_plain_text_without_exemplars() -> None:
    with within_trace(TRACE, sampled=True):
        seconds.observe(0.05, "plain")
    answer = await _scrape("*/*")
    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")
    assert 'test_duration_seconds_bucket{kind="plain",le="0.1"} 1.0\n' in answer.text
    assert TRACE not in answer.text


async def test_head_is_answered_as_get_without_the_body() -> None:
    answer = await _scrape("application/openmetrics-text", method="HEAD")
    assert (answer.status_code, answer.headers["content-type"]) == (200, OPENMETRICS)


async def test_a_bucket_names_its_latest_sampled_trace() -> None:
    for value, trace_id, sampled in [(0.1, "a" * 32, True), (0.02, TRACE, True), (5, "b" * 32, False)]:
        with within_trace(trace_id, sampled=sampled):
            seconds.observe(value, "latest")
    seconds.observe(0.5, "latest")
    told = (await _scrape("application/openmetrics-text")).text
    assert _exemplars(told, "latest") == {"0.1": {"trace_id": TRACE}, "1.0": None, "+Inf": None}


async def test_what_is_beyond_the_last_bound_has_an_exemplar_too() -> None:
    with within_trace(TRACE, sampled=True):
        seconds.observe(7, "slow")
    told = (await _scrape("application/openmetrics-text")).text
    assert _exemplars(told, "slow") == {"0.1": None, "1.0": None, "+Inf": {"trace_id": TRACE}}


async def test_sources_are_asked_at_each_scrape() -> None:
    values = iter([1, 2])

    async def source() -> Sequence[Metric]:
        return [GaugeMetricFamily("test_things", "Of a test", value=next(values))]

    for value in (1, 2):
        told = (await _scrape("application/openmetrics-text", source)).text
        assert [sample.value for sample in _samples(told, "test_things")] == [value]


_WORKER = """
from prometheus_client import Gauge
from observability.metrics import request_seconds, requests_total
from observability.trace_context import within_trace
requests_total.labels("GET", "/x", 200).inc(2)
Gauge("test_live", "Of a test", multiprocess_mode="livesum").set(2)
with within_trace("c" * 32, sampled=True):
    request_seconds.observe(0.002, "GET", "/x")
"""
_SCRAPER = """
import asyncio
from starlette.requests import Request
from observability import metrics_endpoint
headers = [(b"accept", b"application/openmetrics-text")]
answer = asyncio.run(metrics_endpoint()(Request({"type": "http", "headers": headers})))
print(answer.body.decode(), end="")
"""


def _python(script: str, folder: Path) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def _scraped_after(workers: int, folder: Path) -> str:
    """The metrics of a process that has observed what a worker does, and of `workers` that have ended."""
    for _ in range(workers):
        _python(_WORKER, folder)
    return _python(f"{_WORKER}\n{_SCRAPER}", folder)


def test_metrics_of_several_processes_are_summed(tmp_path: Path) -> None:
    told = _scraped_after(2, tmp_path)
    assert [sample.value for sample in _samples(told, "http_requests_total")] == [6]


def test_the_process_that_answers_attaches_its_exemplars_to_the_sums(tmp_path: Path) -> None:
    buckets = {
        s.labels["le"]: s
        for s in _samples(_scraped_after(2, tmp_path), "http_request_duration_seconds_bucket")
    }
    exemplar = buckets["0.0025"].exemplar
    assert exemplar is not None
    assert (buckets["0.0025"].value, exemplar.labels, exemplar.value) == (3, {"trace_id": "c" * 32}, 0.002)
    assert [bound for bound, sample in buckets.items() if sample.exemplar] == ["0.0025"]


def test_gauges_of_processes_that_are_gone_are_left_out(tmp_path: Path) -> None:
    told = _scraped_after(2, tmp_path)
    assert [sample.value for sample in _samples(told, "test_live")] == [2]
    assert len(list(tmp_path.glob("gauge_livesum_*.db"))) == 1
