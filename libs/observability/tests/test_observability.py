import io
import json
import logging
from typing import Any

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from observability import TelemetryMiddleware, metrics_endpoint

KEY = "fleet_abc123def456_Canary0Canary0Canary0Canary0"


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def _greet(request: Request) -> PlainTextResponse:
    structlog.get_logger("greeting").info("greeted", name=request.path_params["name"])
    return PlainTextResponse("hello")


async def _fail(_request: Request) -> PlainTextResponse:
    raise ZeroDivisionError(f"with {KEY}")


@pytest.fixture
async def client() -> httpx.AsyncClient:
    routes = [Route("/greet/{name}", _greet), Route("/fail", _fail), Route("/metrics", metrics_endpoint())]
    app = TelemetryMiddleware(Starlette(routes=routes))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x"
    )


async def test_a_request_id_is_accepted_returned_and_logged(
    client: httpx.AsyncClient, log: io.StringIO
) -> None:
    answer = await client.get("/greet/ann", headers={"X-Request-ID": "trace-7"})
    assert answer.headers["x-request-id"] == "trace-7"
    assert [line["correlation_id"] for line in _lines(log)] == ["trace-7", "trace-7"]


@pytest.mark.parametrize(("length", "logged"), [(2_048, 2_048), (2_049, 2_048), (60_000, 2_048)])
async def test_a_path_is_logged_up_to_2048_characters(
    client: httpx.AsyncClient, log: io.StringIO, length: int, logged: int
) -> None:
    path = f"/{'path/' * length}"[:length]
    await client.get(path)
    assert [line["path"] for line in _lines(log)] == [path[:logged]]


async def test_a_secret_where_a_path_is_cut_is_masked(client: httpx.AsyncClient, log: io.StringIO) -> None:
    await client.get(f"/{'x' * 2_030}/x://ann:Canary{'x' * 100}@h")
    assert _lines(log)[0]["path"].endswith("/x://***@h")


@pytest.mark.parametrize("bad", ["", "x" * 129, "a b", 'a"b', "é"])
async def test_an_unfit_request_id_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    answer = await client.get("/greet/ann", headers=[(b"X-Request-ID", bad.encode())])
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_request_id_of_128_characters_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/greet/ann", headers={"X-Request-ID": "x" * 128})
    assert answer.headers["x-request-id"] == "x" * 128


async def test_metrics_count_by_route_and_never_by_what_stands_in_a_path(client: httpx.AsyncClient) -> None:
    await client.get("/greet/bob")
    await client.get("/nowhere/bob")
    await client.request("BREW", "/greet/bob")
    text = (await client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/greet/{name}",status="200"}' in text
    assert 'http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'method="other"' in text
    assert "bob" not in text
    assert "BREW" not in text


async def test_a_failing_request_is_logged_with_its_traceback_and_without_the_secret(
    client: httpx.AsyncClient, log: io.StringIO
) -> None:
    await client.get("/fail")
    logging.getLogger("uvicorn.error").error("died", exc_info=ValueError(f"with {KEY}"))
    assert _lines(log)[0]["level"] == "warning"
    assert "ValueError" in _lines(log)[1]["exception"]
    assert "Canary" not in log.getvalue()


@pytest.mark.parametrize(
    "event",
    [
        {"password": "Canary"},
        {"headers": {"Authorization": "Canary"}},
        {"headers": [(b"x-api-key", KEY.encode())]},
        {"url": "postgresql://fleet:Canary@127.0.0.1/fleet"},
        {"note": f"the key {KEY} was used"},
        {"note": "Authorization: Bearer Canary.Canary.Canary"},
        {"query": "?a=1&token=Canary&b=2"},
        {"error": ValueError(KEY)},
        {"nested": [{"deep": {"api_key": "Canary"}}]},
    ],
)
def test_a_planted_secret_never_reaches_the_log(log: io.StringIO, event: dict[str, Any]) -> None:
    structlog.get_logger().info("event", **event)
    logging.getLogger("other").warning("event %s", event, extra=event)
    assert len(_lines(log)) == 2
    assert "Canary" not in _lines(log)[0].__str__()
    assert "***" in log.getvalue()


def test_what_is_no_secret_stays_readable(log: io.StringIO) -> None:
    structlog.get_logger().info(
        "sum", count=3, ratio=0.5, done=True, none=None, ids=["a", "b"], url="http://h/p"
    )
    line = _lines(log)[0]
    assert (line["count"], line["ratio"], line["done"], line["none"]) == (3, 0.5, True, None)
    assert (line["ids"], line["url"]) == (["a", "b"], "http://h/p")


async def test_a_polled_server_logs_what_fails_and_leaves_what_succeeds_to_debug(log: io.StringIO) -> None:
    app = TelemetryMiddleware(Starlette(routes=[Route("/greet/{name}", _greet)]), polled=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        await client.get("/greet/ann")
        await client.get("/nowhere")
    assert [(line["event"], line.get("status")) for line in _lines(log)] == [
        ("greeted", None),
        ("request", 404),
    ]


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "httpcore.connection"])
def test_clients_log_neither_requests_nor_headers(log: io.StringIO, name: str) -> None:
    logging.root.setLevel("DEBUG")
    logging.getLogger(name).debug("receive_response_headers.complete Set-Cookie: session=Canary")
    logging.getLogger(name).warning("broken")
    assert ("Canary" in log.getvalue(), "broken" in log.getvalue()) == (False, True)
