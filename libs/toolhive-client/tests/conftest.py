"""A ToolHive, and a client of it that does not wait between its tries."""

from collections.abc import AsyncGenerator, Generator

import pytest
from counted_waits import Waits
from toolhive_server import ToolhiveServer

from toolhive_client import ToolhiveClient


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def client(toolhive: ToolhiveServer, waits: Waits) -> AsyncGenerator[ToolhiveClient]:
    async with ToolhiveClient(toolhive.url, timeout_seconds=5, sleep=waits) as client:
        yield client
