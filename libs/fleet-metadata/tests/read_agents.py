"""Reading one agent with a client, which is expected to do well or not to."""

import asyncio
from typing import Any

from agent_servers import document

from fleet_metadata.client import FleetClient, Unreadable, WorkspaceMetadata

TOKEN = "correct-horse-battery-staple"
GOOD = document(git_branch="main", git_ahead=None)
VALUES = {"git_branch": "main", "git_ahead": None}


async def read_one(client: FleetClient, url: str, **query: Any) -> WorkspaceMetadata | Unreadable:
    return (await client.read({"it": url}, **query))["it"]


async def unreadable(client: FleetClient, url: str) -> Unreadable:
    result = await read_one(client, url)
    assert isinstance(result, Unreadable), result
    assert result.why.endswith(".")
    return result


async def readable(client: FleetClient, url: str, **query: Any) -> WorkspaceMetadata:
    result = await read_one(client, url, **query)
    assert isinstance(result, WorkspaceMetadata), result
    return result


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
