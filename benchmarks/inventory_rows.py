"""The inventory of MCP servers: a cycle over all workloads, everything new or nothing changed."""

import asyncio
import json
from pathlib import Path

import httpx
from figures import Result, Scale, at_most, in_turn, milliseconds, within
from load import Client
from running import running
from slow_toolhive import PATH, name_of
from stand import Stand

from embedded_services.server import free_port

SERVER = Path(__file__).with_name("slow_toolhive.py")
WORKLOADS, DETAILS_MS, MOST_MS = 100, 50, 500
SYNC = "/api/v1/sync/toolhive_{}?wait=true"
EMPTY = "TRUNCATE graph.mcp_workloads, graph.services, graph.service_dependencies"
SECONDS_IN_A_DAY = "86400"


async def inventory(stand: Stand, scale: Scale) -> list[Result]:
    """Cycles that are asked for, against the requests to ToolHive that each of them makes."""
    toolhive = f"http://127.0.0.1:{(port := free_port())}"
    settings = {"TOOLHIVE_URL": toolhive, "WORKLOAD_POLLING_INTERVAL": SECONDS_IN_A_DAY}
    with running(stand.folder, [str(SERVER), str(port), str(WORKLOADS), str(DETAILS_MS)], port, {}):
        async with (
            stand.database() as (url, connection),
            stand.service(url, settings) as service,
            Client.connected(service) as client,
            httpx.AsyncClient(base_url=toolhive + PATH) as bare,
        ):
            await _run(client, "registry")

            async def everything_new(_turn: int) -> float:
                await connection.execute(EMPTY)
                return await milliseconds(_run(client, "workloads"))

            async def nothing_changed(_turn: int) -> float:
                return await milliseconds(_run(client, "workloads"))

            new, unchanged, requests = await in_turn(
                scale.rounds, everything_new, nothing_changed, lambda _: milliseconds(_requests(bare))
            )
    what = f"cycle over {WORKLOADS} workloads, {WORKLOADS // 2} of them remote"
    return [
        within(MOST_MS, f"{what}, all of them new", new),
        within(MOST_MS, f"{what}, nothing changed", unchanged),
        at_most(3, "the same", unchanged, "the bare requests", requests),
    ]


async def _run(client: Client, source: str) -> None:
    run = json.loads(await client.post(SYNC.format(source), b""))
    if run["status"] != "succeeded" or run["changes"]["warnings"]:
        raise RuntimeError(run)


async def _requests(client: httpx.AsyncClient) -> None:
    await client.get("/workloads", params={"all": "true"})
    await asyncio.gather(*(client.get(f"/workloads/{name_of(number)}") for number in range(1, WORKLOADS, 2)))
