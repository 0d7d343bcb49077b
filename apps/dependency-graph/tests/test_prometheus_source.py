"""What is made of the answers of a Prometheus, or of what stands in its place."""

import asyncio
import json
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest
from counted_waits import until
from dribbling_server import dribbling_server
from factories import NOON
from small_server import Asked, SmallServer, Told, small_server

from dependency_graph.application.ports import Connection, ServiceGraph
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.infrastructure.prometheus_answer import VectorAnswer
from dependency_graph.infrastructure.prometheus_source import (
    LARGEST_ANSWER,
    PrometheusAccess,
    PrometheusSource,
)

SECRET = "canary-7f3a"
A_TO_B = {"client": "a", "server": "b"}
METRICS = ("request_total", "request_failed_total", "request_server_seconds_bucket")


def _sample(labels: dict[str, str], value: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1771070400.123, value]}


def _vector(*samples: dict[str, Any], **more: Any) -> Told:
    data = {"resultType": "vector", "result": samples}
    return Told(json.dumps({"status": "success", "data": data} | more).encode())


class _Prometheus:
    """Answers of its own for some of the metrics, one edge for the rest."""

    def __init__(self) -> None:
        self.answers: dict[str, Told] = {metric: _vector(_sample(A_TO_B, "2")) for metric in METRICS}

    def __call__(self, asked: Asked) -> Told:
        [metric] = [m for m in METRICS if f"traces_service_graph_{m}[15m]" in asked.form["query"]]
        return self.answers[metric]


@pytest.fixture
def prometheus() -> _Prometheus:
    return _Prometheus()


@pytest.fixture
def server(prometheus: _Prometheus) -> Generator[SmallServer]:
    with small_server(prometheus) as server:
        yield server


async def _observe(server: SmallServer, largest: int = LARGEST_ANSWER, **access: Any) -> ServiceGraph:
    source = PrometheusSource(PrometheusAccess(server.url, **access), "traces_service_graph", 15, largest)
    return await source.observe(NOON)


async def _failure(server: SmallServer, **access: Any) -> str:
    with pytest.raises(SourceFailed) as failed:
        await _observe(server, **access)
    assert SECRET not in str(failed.value)
    return str(failed.value)


async def test_rates_failures_and_seconds_of_one_moment_are_put_together(server: SmallServer) -> None:
    assert (await _observe(server)).connections == [Connection("a", "b", "", 2, 2, 2000)]
    assert {(asked.method, asked.path, asked.form["time"]) for asked in server.asked} == {
        ("POST", "/api/v1/query", f"{NOON.timestamp():.3f}")
    }
    assert all("sum by (client, server, connection_type" in asked.form["query"] for asked in server.asked)


async def test_where_nothing_failed_no_failures_are_known_and_no_time_is(
    server: SmallServer, prometheus: _Prometheus
) -> None:
    prometheus.answers |= dict.fromkeys(METRICS[1:], _vector())
    observed = await _observe(server)
    assert observed.connections == [Connection("a", "b", "", 2, 0, None)]
    assert "request_server_seconds_bucket" in observed.warnings[0]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
async def test_what_is_not_a_number_is_not_known(
    server: SmallServer, prometheus: _Prometheus, value: str
) -> None:
    prometheus.answers |= dict.fromkeys(METRICS, _vector(_sample(A_TO_B, value)))
    assert (await _observe(server)).connections == [Connection("a", "b", "", None, None, None)]


async def test_a_sample_without_a_value_and_labels_that_are_not_there_are_borne(
    server: SmallServer, prometheus: _Prometheus
) -> None:
    prometheus.answers[METRICS[0]] = _vector({"metric": {}, "histogram": [1, {}]}, warnings=["half of it"])
    observed = await _observe(server)
    assert observed.connections == [Connection("", "", "", None, 0, None)]
    assert observed.warnings == ["Prometheus warned of 1 things; the same query by hand shows them"]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (Told(b"<html>"), "no vector of samples"),
        (Told(b""), "no vector of samples"),
        (Told(b"[" * 100_000), "no vector of samples"),
        (Told(b'{"status":"error","data":{"resultType":"vector","result":[]}}'), "no vector of samples"),
        (Told(b'{"status":"success","data":{"resultType":"matrix","result":[]}}'), "no vector of samples"),
        (Told(b'{"status":"success"}'), "no vector of samples"),
        (_vector(_sample(A_TO_B, "many")), "no vector of samples"),
        (Told(SECRET.encode(), 401), "PROMETHEUS_BEARER_TOKEN"),
        (Told(SECRET.encode(), 403), "PROMETHEUS_PASSWORD"),
        (Told(b"", 404), "PROMETHEUS_URL"),
        (Told(b'{"status":"error","errorType":"timeout","error":"slow"}', 503), "503"),
        (Told(b"", 302, {"Location": f"http://{SECRET}@nowhere/"}), "redirects are not followed"),
        (Told(b"{", headers={"Content-Length": "100"}), "broke off"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
async def test_rubbish_in_answer_to_one_query_fails_the_whole(
    server: SmallServer, prometheus: _Prometheus, metric: str, told: Told, reason: str
) -> None:
    prometheus.answers[metric] = told
    failure = await _failure(server, bearer_token=SECRET)
    assert reason in failure
    assert metric in failure or "broke off" in failure


async def test_no_series_at_all_is_a_failure(server: SmallServer, prometheus: _Prometheus) -> None:
    prometheus.answers |= dict.fromkeys(METRICS, _vector())
    assert "OTEL_GRAPH_METRICS_PREFIX" in await _failure(server)


async def test_nobody_there_is_a_failure() -> None:
    with small_server(_Prometheus()) as server:
        pass
    assert "cannot be reached" in await _failure(server)


async def test_a_url_that_is_none_is_a_failure(server: SmallServer) -> None:
    server.url = f"http://{SECRET}@[x"
    assert "PROMETHEUS_URL" in await _failure(server)


async def test_a_slow_answer_is_a_failure(
    server: SmallServer, prometheus: _Prometheus, skip_ahead: Callable[[float], None]
) -> None:
    enough = threading.Event()

    def slow(asked: Asked) -> Told:
        enough.wait(60)
        return prometheus(asked)

    server.answer = slow
    try:
        failing = asyncio.create_task(_failure(server, timeout_seconds=600))
        await until(lambda: server.asked)
        skip_ahead(600)
        assert "PROMETHEUS_TIMEOUT_SECONDS" in await asyncio.wait_for(failing, 30)
    finally:
        enough.set()


async def test_an_answer_that_dribbles_is_a_failure(
    server: SmallServer, skip_ahead: Callable[[float], None]
) -> None:
    async with dribbling_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") as dribbling:
        server.url = dribbling.url
        failing = asyncio.create_task(_failure(server, timeout_seconds=600))
        await until(lambda: dribbling.asked)
        # More than a byte comes between the two.
        skip_ahead(400)
        await asyncio.sleep(0.2)
        skip_ahead(400)
        assert "PROMETHEUS_TIMEOUT_SECONDS" in await asyncio.wait_for(failing, 30)
        await dribbling.left()


async def test_an_answer_may_be_large_but_not_boundless(server: SmallServer, prometheus: _Prometheus) -> None:
    largest = len(prometheus.answers[METRICS[0]].body)
    assert len((await _observe(server, largest)).connections) == 1
    assert "more than" in await _failure(server, largest=largest - 1)


@pytest.mark.parametrize("step", ["parse", "values"])
async def test_an_answer_is_read_off_the_event_loop(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    read, threads = getattr(VectorAnswer, step), list[int]()

    def recorded(*told: Any) -> Any:
        threads.append(threading.get_ident())
        return read(*told)

    monkeypatch.setattr(VectorAnswer, step, recorded)
    await _observe(server)
    assert len(threads) == len(METRICS)
    assert threading.get_ident() not in threads


def test_while_a_large_answer_is_read_other_threads_get_their_turn() -> None:
    samples = [_sample({"client": f"client-{number}", "server": "b"}, "2") for number in range(1000)]
    body, calls = _vector(*samples).body, list[str]()
    sys.setprofile(lambda _frame, event, _told: calls.append(event))
    VectorAnswer.parse(body, METRICS[0])
    sys.setprofile(None)
    # Pydantic lets them go on where it calls Python, and nowhere else.
    assert calls.count("call") >= len(samples)


async def test_a_token_or_a_name_with_a_password_is_shown(server: SmallServer) -> None:
    await _observe(server, bearer_token=SECRET)
    await _observe(server, auth=httpx.BasicAuth("ann", SECRET))
    shown = {asked.headers.get("Authorization") for asked in server.asked}
    assert shown == {f"Bearer {SECRET}", f"Basic {b64encode(f'ann:{SECRET}'.encode()).decode()}"}


async def test_what_opens_prometheus_is_not_told(server: SmallServer) -> None:
    access = PrometheusAccess(server.url, 1, httpx.BasicAuth("ann", SECRET), SECRET)
    assert SECRET not in repr(access)
