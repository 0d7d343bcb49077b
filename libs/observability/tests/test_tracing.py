"""Tracing beside a collector that is not well; what a collector gets is tested with the service."""

import io
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from time import monotonic

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from observability import TelemetryMiddleware
from observability.tracing import FLUSH_SECONDS, Tracing

MORE_THAN_ARE_QUEUED = 2700


@pytest.fixture
def silent() -> Iterator[str]:
    """A collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    # Whoever waited for its answer has something to say now, which is not to end up in the next test's log.
    for thread in threading.enumerate():
        if thread.name.startswith("Otel"):
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def absent() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


async def _greet(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _served(tracing: Tracing, requests: int) -> AsyncGenerator[float]:
    app = TelemetryMiddleware(Starlette(routes=[Route("/", _greet)]), tracing)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        for _ in range(requests):
            started = monotonic()
            assert (await client.get("/")).text == "hello"
            yield monotonic() - started


async def _times(endpoint: str) -> list[float]:
    """How long requests take, and at the end the stop, all of them traced."""
    tracing = Tracing("test", endpoint, 1)
    tracing.start()
    times = [seconds async for seconds in _served(tracing, MORE_THAN_ARE_QUEUED)]
    started = monotonic()
    await tracing.stop()
    return [*times, monotonic() - started]


@pytest.mark.parametrize("collector", ["silent", "absent"])
async def test_a_collector_that_is_dead_slows_nobody_and_holds_up_no_stop(
    collector: str, request: pytest.FixtureRequest, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    *times, stop = await _times(request.getfixturevalue(collector))
    # Who waited for the collector would wait for that long.
    assert sorted(times)[len(times) // 2] < 1
    assert max(times) < 20
    assert stop < FLUSH_SECONDS + 20
    complaints = [line for line in log.getvalue().splitlines() if '"request"' not in line]
    assert 1 <= len(complaints) <= 2
