import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from dependency_graph.api.patient_stream import PatientStream


async def _pieces() -> AsyncIterator[str]:
    for piece in ("one", "two", "three"):
        yield piece


async def _still_there() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def _sent(wait_seconds: float, *, send_seconds: float, all_seconds: float) -> list[object]:
    """What a reader gets who takes so long for each piece."""
    got: list[object] = []

    async def send(message: Message) -> None:
        await asyncio.sleep(wait_seconds)
        got.append(message.get("body", "start"))

    stream = PatientStream(_pieces(), "text/plain", send_seconds=send_seconds, all_seconds=all_seconds)
    await stream({"type": "http"}, _still_there, send)
    return got


async def test_a_reader_in_time_gets_it_all() -> None:
    assert await _sent(0, send_seconds=60, all_seconds=60) == ["start", b"one", b"two", b"three", b""]


@pytest.mark.parametrize(("send_seconds", "all_seconds"), [(0.01, 100), (100, 0.01)])
async def test_a_reader_who_is_too_slow_gets_no_end(send_seconds: float, all_seconds: float) -> None:
    assert await _sent(0.2, send_seconds=send_seconds, all_seconds=all_seconds) == []
