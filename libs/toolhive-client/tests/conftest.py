"""A ToolHive, and a client of it that does not wait between its tries."""

from collections.abc import AsyncGenerator, Generator

import pytest
from counted_waits import Waits
from toolhive_server import ToolhiveServer

from toolhive_client import ToolhiveClient


@pytest.fixture(autouse=True)
def patience() -> Generator[pytest.MonkeyPatch]:
    """A place where ToolHive may be has half a minute to answer: on a busy machine a second may just pass.

    Call its `undo` for that second.
    """
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr("toolhive_client.discovery.search._SECONDS", 30.0)
        yield patience


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def client(toolhive: ToolhiveServer, waits: Waits) -> AsyncGenerator[ToolhiveClient]:
    async with ToolhiveClient(toolhive.url, timeout_seconds=30, sleep=waits) as client:
        yield client
