"""The server on a real port of this process, with keys of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastmcp import Client
from sqlalchemy import NullPool

from api_access import KeyStore, RateLimit, create_engine
from coldquery.app import create_app
from coldquery.database import connect_arguments
from coldquery.keys import keys_url, migrate_keys
from coldquery.settings import Settings

WITHIN_SECONDS = 60
Agent = Client[Any]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where it is, and what its keys are kept in."""

    url: str
    settings: Settings

    async def key(self, *scopes: str, limit: str | None = None) -> str:
        """A new key with these scopes, and so many calls."""
        engine = create_engine(keys_url(self.settings), poolclass=NullPool)
        limits = {"query": RateLimit.parse(limit)} if limit else {}
        token, _ = await KeyStore(engine).create("agent", scopes or ("read", "write"), limits)
        return token

    def agent(self, key: str) -> Agent:
        return Client(f"{self.url}/mcp", auth=key, timeout=WITHIN_SECONDS)

    def http(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=WITHIN_SECONDS)


@asynccontextmanager
async def running(
    database_url: str, folder: Path, *, migrated: bool = True, **given: Any
) -> AsyncGenerator[RunningServer]:
    """The server on that database, with its keys below `folder`, while the context lasts."""
    settings = Settings.model_validate({"database_url": database_url, "coldquery_data_dir": folder, **given})
    if migrated:
        # It runs a loop of its own.
        await asyncio.to_thread(migrate_keys, settings)
    database = settings.database()
    assert database is not None
    app = create_app(settings, connect_arguments(database))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
        yield RunningServer(f"http://127.0.0.1:{listener.getsockname()[1]}", settings)
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, WITHIN_SECONDS)
        listener.close()


async def ask(agent: Agent, tool: str, action: str, **arguments: Any) -> dict[str, Any]:
    """What the tool answers; raises ToolError where it fails."""
    answer = await agent.call_tool(tool, {"action": action, **arguments})
    assert answer.structured_content is not None
    return answer.structured_content


async def failure(agent: Agent, tool: str, action: str, **arguments: Any) -> dict[str, Any]:
    """The fields of the error that the tool answers."""
    answer = await agent.call_tool(tool, {"action": action, **arguments}, raise_on_error=False)
    assert answer.is_error
    assert answer.structured_content is not None
    return answer.structured_content["error"]
