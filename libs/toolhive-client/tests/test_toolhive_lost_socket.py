"""What uvloop and anyio make of a peer that resets a connection before it is used: an AttributeError."""

import httpx
import pytest
from counted_waits import Waits

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.transport.transport import NotConnected, Transport, repeated


class LostSocket(httpx.AsyncBaseTransport):
    """Loses the first `times` connections so."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked <= self._times:
            raise AttributeError("'NoneType' object has no attribute 'getpeername'")
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))


async def ask(lost: LostSocket, waits: Waits) -> int:
    async with httpx.AsyncClient(transport=lost) as http:
        transport = Transport(http, "ToolHive", "check that it runs", timeout_seconds=30)
        return (await repeated(lambda: transport.get("http://127.0.0.1:8080"), sleep=waits)).status


async def test_it_is_tried_again(waits: Waits) -> None:
    lost = LostSocket(times=2)
    assert await ask(lost, waits) == 200
    assert (lost.asked, len(waits.seconds)) == (3, 2)


async def test_after_three_tries_it_is_as_if_there_was_no_connection(waits: Waits) -> None:
    lost = LostSocket(times=3)
    with pytest.raises(
        ToolhiveUnavailable, match=r"ToolHive cannot be reached .*; check that it runs"
    ) as failed:
        await ask(lost, waits)
    assert isinstance(failed.value, NotConnected)
    assert failed.value.__cause__ is None
    assert lost.asked == 3
