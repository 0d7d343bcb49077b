"""Spans as SDKs send them, to the service as it runs."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Tracer
from running_service import API, UNLIMITED, RunningService, connections, make_key_with_limits, until
from spans import CLIENT, SERVER, export, told

from api_access import RateLimit
from dependency_graph.infrastructure.migrating import migrate
from embedded_services import EmbeddedPostgres

PATH = "/v1/traces"
COMPRESSIONS = (Compression.Gzip, Compression.NoCompression)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedPostgres]:
    """A server that may be stopped."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        migrate(server.url)
        yield server


@pytest.fixture(scope="module")
def key(postgres: EmbeddedPostgres) -> str:
    return make_key_with_limits(postgres.url, query=UNLIMITED, traces=UNLIMITED)


@pytest.fixture(scope="module")
def replicas(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Generator[list[RunningService]]:
    """Two of one worker each, so that it is known which process takes a request."""
    folder, settings = tmp_path_factory.mktemp("service"), {"DATABASE_URL": postgres.url, "API_WORKERS": "1"}
    with RunningService(folder, **settings) as one, RunningService(folder, **settings) as other:
        yield [one, other]


@pytest.fixture
def instrumented(replicas: list[RunningService], key: str) -> Generator[Callable[[str], Tracer]]:
    """Makes what a process of a service has: a tracer that exports each span as it ends."""
    providers: list[TracerProvider] = []

    def tracer(name: str) -> Tracer:
        providers.append(TracerProvider(resource=Resource({"service.name": name})))
        exporter = _exporter(replicas[len(providers) % 2], key, COMPRESSIONS[len(providers) % 2])
        providers[-1].add_span_processor(SimpleSpanProcessor(exporter))
        return providers[-1].get_tracer("tests")

    yield tracer
    for provider in providers:
        provider.shutdown()


def _exporter(service: RunningService, key: str, compression: Compression) -> OTLPSpanExporter:
    session = requests.Session()
    session.trust_env = False
    headers = {"x-api-key": key}
    return OTLPSpanExporter(service.url + PATH, headers=headers, compression=compression, session=session)


@contextmanager
def _calling(caller: Tracer, kind: SpanKind, callee: Tracer, callee_kind: SpanKind) -> Generator[None]:
    """A call whose context travels in headers, as between two processes."""
    headers: dict[str, str] = {}
    with caller.start_as_current_span("call", kind=kind), caller.start_as_current_span("inside"):
        pass
    with caller.start_as_current_span("call", kind=kind):
        inject(headers)
        with callee.start_as_current_span("work", context=extract(headers), kind=callee_kind):
            yield


def _edges(service: RunningService, key: str, name: str) -> dict[str, str]:
    url = f"{service.url}{API}/services/{name}/dependencies?direction=downstream&depth=1"
    answer: dict[str, Any] = httpx.get(url, headers={"X-API-Key": key}, trust_env=False, timeout=60).json()
    return {edge["target"]: edge["communication_mode"] for edge in answer.get("edges", [])}


def test_the_spans_of_real_sdks_make_dependencies(
    replicas: list[RunningService], key: str, instrumented: Callable[[str], Tracer]
) -> None:
    shop, payment, mail = instrumented("web shop"), instrumented("payment/v2"), instrumented("mail")
    with (
        _calling(shop, SpanKind.CLIENT, payment, SpanKind.SERVER),
        _calling(payment, SpanKind.PRODUCER, mail, SpanKind.CONSUMER),
        mail.start_as_current_span("SELECT", kind=SpanKind.CLIENT, attributes={"db.system.name": "mysql"}),
    ):
        pass
    for replica in replicas:
        assert _edges(replica, key, "web%20shop") == {"payment/v2": "sync"}
        assert _edges(replica, key, "payment%2Fv2") == {"mail": "async"}
        assert _edges(replica, key, "mail") == {"mysql": "sync"}


async def test_halves_that_reach_two_processes_at_once_all_find_each_other(
    replicas: list[RunningService], key: str
) -> None:
    numbers = range(1, 41)
    async with replicas[0].client(key) as one, replicas[1].client(key) as other:
        callers = [one.post(PATH, json=export(crowd=[told(CLIENT, n, trace=9)])) for n in numbers]
        callees = [
            other.post(PATH, json=export(**{f"callee-{n}": [told(SERVER, n + 99, n, trace=9)]}))
            for n in numbers
        ]
        answers = await asyncio.gather(
            *(half for call in zip(callers, callees, strict=True) for half in call)
        )
    assert [answer.json() for answer in answers] == [{}] * 80
    assert _edges(replicas[0], key, "crowd").keys() == {f"callee-{n}" for n in numbers}


async def test_the_limit_of_exports_is_their_own(
    postgres: EmbeddedPostgres, replicas: list[RunningService]
) -> None:
    limited = await asyncio.to_thread(make_key_with_limits, postgres.url, traces=RateLimit(2, 60))
    async with replicas[0].client(limited) as client:
        answers = [await client.post(PATH, json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert (await client.get(f"{API}/services")).status_code == 200


async def test_clients_that_go_away_half_way_harm_nobody(replicas: list[RunningService], key: str) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: graph\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    half = f"{head}Content-Length: 999\r\n\r\n{{".encode()
    before = replicas[1].log.count('"status": 400')
    for writer in await connections(replicas[1].url, 3, half):
        writer.close()
    await asyncio.to_thread(until, lambda: replicas[1].log.count('"status": 400') == before + 3)
    assert "Traceback" not in replicas[1].log


async def test_while_the_database_is_away_clients_are_asked_to_come_again(
    postgres: EmbeddedPostgres, replicas: list[RunningService], key: str
) -> None:
    call = export(patient=[told(CLIENT, 1, trace=5)], healer=[told(SERVER, 2, 1, trace=5)])
    async with replicas[0].client(key) as client:
        assert (await client.post(PATH, json={})).status_code == 200
        await asyncio.to_thread(_kill, postgres)
        away = await client.post(PATH, json=call)
        assert (away.status_code, away.headers["retry-after"]) == (503, "1")
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(until, replicas[0].is_ready)
        assert _edges(replicas[0], key, "patient") == {}
        assert (await client.post(PATH, json=call)).json() == {}
    assert _edges(replicas[0], key, "patient") == {"healer": "sync"}


def _kill(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    psutil.Process(server.pid).kill()
    until(lambda: server.exit_code() is not None)
