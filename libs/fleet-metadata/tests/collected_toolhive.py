"""What the collector tells of a ToolHive."""

from typing import Any

from counted_waits import Waits
from toolhive_server import ToolhiveServer

from fleet_metadata import Reading, Workspace
from fleet_metadata.collectors.toolhive import ToolhiveCollector
from fleet_metadata.settings import Settings
from toolhive_client import ToolhiveClient

IMAGE, UPSTREAM = "ghcr.io/example/plain:1.0", "https://notes.example.com/mcp"


def workspace(url: str | None = None, **settings: Any) -> Workspace:
    """With these settings, and none of the environment's."""
    return Workspace(Settings.model_validate({"toolhive_url": url, **settings}))


def collector_of(toolhive: ToolhiveServer, seconds: float = 30, **settings: Any) -> ToolhiveCollector:
    """One that does not wait between its tries, and has so many seconds for each."""
    client = ToolhiveClient(toolhive.url, timeout_seconds=seconds, sleep=Waits())
    return ToolhiveCollector(workspace(toolhive.url, **settings), client)


async def collected(toolhive: ToolhiveServer, seconds: float = 30) -> Reading:
    collector = collector_of(toolhive, seconds)
    try:
        return await collector.collect()
    finally:
        await collector.close()
