"""MCP over HTTP: the same keys and limits as for everything else, and hosts that are known."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from factories import body, make_key, started

from api_access import RateLimit
from dependency_graph.app import create_app
from dependency_graph.settings import Settings

URL = "http://127.0.0.1/mcp"
ERAS = ("2025-06-18", "2026-07-28")


async def send(client: httpx.AsyncClient, method: str, era: str = ERAS[0], **params: Any) -> httpx.Response:
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if era == ERAS[1]:
        name = params.get("name") or params.get("uri")
        headers |= {"Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
        told = {"protocolVersion": era, "clientInfo": {"name": "t", "version": "1"}, "clientCapabilities": {}}
        params["_meta"] = {f"io.modelcontextprotocol/{key}": value for key, value in told.items()}
    return await client.post(URL, json=_message(method, params), headers=headers)


def _message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def call(client: httpx.AsyncClient, tool: str, era: str = ERAS[0], **arguments: Any) -> httpx.Response:
    return await send(client, "tools/call", era, name=tool, arguments=arguments)


def told(answer: httpx.Response) -> str:
    """The text of an error of a call."""
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert result["isError"]
    return result["content"][0]["text"]


def _as(client: httpx.AsyncClient, token: str) -> httpx.AsyncClient:
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def test_without_a_key_nothing_of_mcp_answers(stranger: httpx.AsyncClient) -> None:
    for method in ("initialize", "ping", "tools/list", "tools/call"):
        answer = await send(stranger, method)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="fleet"')
    assert (await stranger.get(URL)).status_code == 401


@pytest.mark.parametrize("era", ERAS)
async def test_what_tells_of_the_server_is_free_and_takes_no_token(
    client: httpx.AsyncClient, era: str
) -> None:
    for method in ("tools/list", "resources/templates/list"):
        answer = await send(client, method, era)
        assert answer.status_code == 200, answer.text
        assert "result" in answer.json()
        assert "ratelimit" not in answer.headers


@pytest.mark.parametrize("era", ERAS)
async def test_reads_are_of_the_query_class_and_ingests_of_the_ingestion_class(
    client: httpx.AsyncClient, era: str
) -> None:
    wrote = await call(client, "ingest_dependencies", era, source="manual", nodes=[{"service_id": "a"}])
    assert wrote.headers["ratelimit"].startswith('"ingestion";r=99999')
    read = await call(client, "find_services", era)
    assert read.headers["ratelimit"].startswith('"query";r=99999')
    resource = await send(client, "resources/read", era, uri="service://a")
    assert resource.headers["ratelimit"].startswith('"query"')
    for answer in (wrote, read, resource):
        assert "isError" not in answer.json()["result"] or not answer.json()["result"]["isError"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_key_that_only_reads_cannot_ingest(
    stranger: httpx.AsyncClient, database_url: str, era: str
) -> None:
    reader = _as(stranger, await make_key(database_url, "read"))
    refused = await call(reader, "ingest_dependencies", era, source="manual", nodes=[{"service_id": "a"}])
    assert told(refused) == "This needs an API key with the scope 'write'."
    found = await call(reader, "find_services", era)
    assert found.json()["result"]["structuredContent"]["services"] == []


async def test_a_key_that_only_writes_cannot_read(stranger: httpx.AsyncClient, database_url: str) -> None:
    writer = _as(stranger, await make_key(database_url, "write"))
    assert told(await call(writer, "find_services")) == "This needs an API key with the scope 'read'."
    refused = (await send(writer, "resources/read", uri="service://a")).json()["error"]
    assert refused["message"] == "This needs an API key with the scope 'read'."


@pytest.fixture
async def strict(settings: Settings, database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client whose key may read twice and write once a minute."""
    limits = {"rate_limit_query": RateLimit(2, 60), "rate_limit_ingestion": RateLimit(1, 60)}
    async with started(create_app(settings.model_copy(update=limits))) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://graph/api/v1") as client:
            yield _as(client, await make_key(database_url, "admin"))


@pytest.mark.parametrize("era", ERAS)
async def test_mcp_and_http_draw_on_one_limit(strict: httpx.AsyncClient, era: str) -> None:
    assert (await strict.get("/services")).status_code == 200
    assert (await call(strict, "find_services", era)).json()["result"]["isError"] is False
    assert (await strict.get("/services")).status_code == 429
    refused = await call(strict, "query_dependencies", era, service_id="a")
    assert told(refused).startswith("The limit for query requests with this key is 2/min. Try again in ")
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert refused.headers["ratelimit"].startswith('"query";r=0')
    assert (await strict.post("/services/dependencies", json=body("ab"))).status_code == 202
    assert "limit for ingestion" in told(await call(strict, "ingest_dependencies", era, source="manual"))


async def test_a_resource_beyond_the_limit_says_when_to_come_back(strict: httpx.AsyncClient) -> None:
    for _ in range(2):
        await call(strict, "find_services")
    refused = await send(strict, "resources/read", uri="service://a")
    assert "Try again in" in refused.json()["error"]["message"]


async def test_answers_are_those_of_the_http_api(client: httpx.AsyncClient) -> None:
    await client.post("/services/dependencies", json=body("ab", "bc", "ca"))
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("query_dependencies", {"service_id": "a", "limit": 1}, "/services/a/dependencies?limit=1"),
        ("find_services", {"limit": 2}, "/services?limit=2"),
        ("analyze_impact", {"service_id": "a"}, "/services/a/impact"),
        ("find_paths", {"source": "a", "target": "c"}, "/services/a/paths?to=c"),
        ("list_circular_dependencies", {}, "/circular-dependencies"),
    ]
    for tool, arguments, path in cases:
        answer = (await call(client, tool, **arguments)).json()["result"]["structuredContent"]
        assert answer == (await client.get(path)).json(), tool
    resource = (await send(client, "resources/read", uri="service://a")).json()["result"]["contents"][0]
    assert resource["text"] == (await client.get("/services/a")).text


async def test_an_unknown_tool_is_an_error_and_takes_no_token(client: httpx.AsyncClient) -> None:
    answer = await call(client, "drop_everything")
    assert told(answer) == "Unknown tool: 'drop_everything'"
    assert "ratelimit" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "graph.example"}, 200),
        ({"Host": "graph.example:8443"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Host": "graph.example", "Origin": "https://graph.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "graph.example", "Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_only_known_hosts_and_origins_are_served(
    settings: Settings, database_url: str, headers: dict[str, str], status: int
) -> None:
    known = settings.model_copy(update={"mcp_allowed_hosts": ["graph.example"]})
    async with started(create_app(known)) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            answer = await send(_as(client, await make_key(database_url, "read")), "ping")
    assert answer.status_code == status


async def test_there_is_no_redirect_and_the_route_is_a_label_of_its_own(client: httpx.AsyncClient) -> None:
    assert (await send(client, "ping")).status_code == 200
    assert (await client.post(f"{URL}/", json={})).status_code == 404
    assert (await client.get(URL)).status_code == 405
    metrics = (await client.get("http://graph/metrics")).text
    assert 'http_requests_total{method="POST",route="/mcp",status="200"}' in metrics


async def test_health_checks_may_be_sent_as_head(stranger: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/api/v1/health", "/api/v1/health/ready"):
        assert (await stranger.head(f"http://graph{path}")).status_code == 200
