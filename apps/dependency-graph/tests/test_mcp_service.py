"""MCP on a running service of several worker processes, by clients of both eras of the protocol."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from factories import make_key
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp import MCPError
from running_service import RunningService, make_key_with_limits, patient

from api_access import RateLimit

ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}


@pytest.fixture(scope="module")
def service(
    module_database_url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    limits = {"RATE_LIMIT_QUERY": "6000/min", "RATE_LIMIT_INGESTION": "600/min"}
    shared = {"REDIS_URL": patient(valkey_url)}
    with RunningService(folder, DATABASE_URL=module_database_url, **shared, **limits) as service:
        yield service


def agent(service: RunningService, key: str, mode: str) -> Client[Any]:
    return Client(StreamableHttpTransport(f"{service.url}/mcp", auth=key), mode=mode)


@pytest.mark.parametrize("mode", ERAS)
async def test_agents_of_either_era_write_and_read_on_any_worker(
    service: RunningService, module_database_url: str, mode: str
) -> None:
    key = await make_key(module_database_url, "read", "write")

    async def work(number: int) -> None:
        pair = {"source": f"{mode}-{number}", "target": f"{mode}-hub"}
        async with agent(service, key, mode) as own:
            assert own.protocol_version == ERAS[mode]
            await own.call_tool("ingest_dependencies", {"source": "manual", "edges": [pair]})
            read = await own.call_tool("query_dependencies", {"service_id": pair["source"], "depth": 1})
            assert read.structured_content is not None
            assert [node["service_id"] for node in read.structured_content["nodes"]] == [pair["target"]]
            assert (await own.read_resource(f"service://{pair['source']}"))[0].mime_type == "application/json"

    await asyncio.gather(*(work(number) for number in range(8)))
    assert key not in service.log
    assert "Traceback" not in service.log


async def test_what_the_libraries_log_goes_through_the_log_of_the_service(
    service: RunningService, module_database_url: str
) -> None:
    async with agent(service, await make_key(module_database_url, "read"), "auto") as own:
        with pytest.raises(ToolError, match="limit: "):
            await own.call_tool("find_services", {"limit": 0, "q": "canary"})
    events = [json.loads(line)["event"] for line in service.log.splitlines()]
    assert any(event.startswith("Invalid arguments for tool 'find_services'") for event in events)
    assert "canary" not in service.log


async def test_all_workers_count_calls_of_mcp_and_of_http_together(
    service: RunningService, module_database_url: str
) -> None:
    key = await asyncio.to_thread(make_key_with_limits, module_database_url, query=RateLimit(10, 86_400))

    async def by_http() -> str:
        async with service.client(key, keep_alive=False) as client:
            return str((await client.get("/api/v1/services")).status_code)

    async def by_mcp() -> str:
        try:
            async with agent(service, key, "auto") as own:
                await own.call_tool("find_services")
        except ToolError as error:
            return str(error).partition(" with")[0]
        return "answered"

    results = Counter(await asyncio.gather(*(ask() for ask in (by_http, by_mcp) for _ in range(10))))
    assert results["200"] + results["answered"] == 10
    assert results["429"] + results["The limit for query requests"] == 10


@pytest.mark.parametrize("mode", ERAS)
async def test_without_a_good_key_no_session_begins(service: RunningService, mode: str) -> None:
    for headers in ({}, {"X-API-Key": "fleet_wrong"}):
        transport = StreamableHttpTransport(f"{service.url}/mcp", headers=headers)
        with pytest.raises(MCPError, match="error response"):
            await Client(transport, mode=mode).__aenter__()


async def test_a_body_that_is_too_long_is_refused_and_the_service_goes_on(
    service: RunningService, module_database_url: str
) -> None:
    key = await make_key(module_database_url, "write")
    async with service.client(key) as client:
        answers = [await _padded(client, megabytes) for megabytes in (3, 5, 11)]
    assert [answer.status_code for answer in answers] == [200, 413, 413]


async def _padded(client: httpx.AsyncClient, megabytes: int) -> httpx.Response:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "ping",
        "params": {"_meta": {"x": "x" * megabytes * 2**20}},
    }
    return await client.post("/mcp", json=message, headers={"Accept": "application/json, text/event-stream"})


def test_it_stops_at_once_while_agents_are_connected(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = asyncio.run(make_key(module_database_url, "read"))
    with RunningService(tmp_path_factory.mktemp("stopped"), DATABASE_URL=module_database_url) as service:
        asyncio.run(_stop_under(service, key))
        assert service.exit_code() == 0
        assert "Traceback" not in service.log


async def _stop_under(service: RunningService, key: str) -> None:
    async with agent(service, key, "legacy") as own:
        await own.call_tool("find_services")
        service.signal(signal.SIGTERM)


def test_the_command_line_does_not_load_what_only_the_server_needs() -> None:
    loaded = "import sys, dependency_graph.cli; print({'fastapi', 'fastmcp', 'mcp'} & sys.modules.keys())"
    run = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "set()\n"
