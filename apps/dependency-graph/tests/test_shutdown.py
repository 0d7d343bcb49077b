import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from dependency_graph.api.cut_off import CutOff
from dependency_graph.shutdown import STOP_SECONDS, Shutdown


async def test_a_part_that_breaks_or_hangs_keeps_no_other_from_its_end(
    patience: pytest.MonkeyPatch,
) -> None:
    patience.undo()
    shutdown, ended = Shutdown(), asyncio.Event()

    async def break_down() -> None:
        raise RuntimeError("broken")

    @asynccontextmanager
    async def part() -> AsyncGenerator[int]:
        yield 7
        ended.set()

    for end in (break_down, asyncio.Event().wait):
        shutdown.add(end)
    assert await shutdown.enter(part()) == 7
    async with asyncio.timeout(STOP_SECONDS + 30):
        await shutdown.run()
    assert ended.is_set()


async def test_a_request_that_is_cut_off_is_answered_503_and_stays_cancelled() -> None:
    waits = asyncio.Event()
    cancelled = asyncio.Event()
    asked = asyncio.ensure_future(_ask(waits, cancelled))
    await waits.wait()
    answer = await asked
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert cancelled.is_set()


async def _ask(waits: asyncio.Event, cancelled: asyncio.Event) -> httpx.Response:
    async def forever(_scope: Scope, _receive: Receive, _send: Send) -> None:
        waits.set()
        await asyncio.Event().wait()

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        request = asyncio.ensure_future(CutOff(forever)(scope, receive, send))
        await waits.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        cancelled.set()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://graph") as client:
        return await client.get("/")
