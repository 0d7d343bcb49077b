"""How the server ends, and what it does to readers who do not read."""

import asyncio
import re
import signal
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ci_api_factories import zipped
from ci_running_server import RunningServer
from starlette.types import Message

from ci_server.api import event_stream
from ci_server.api.event_stream import EventStream
from ci_server.serving import READER_SECONDS, CannotListen, listen


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    with RunningServer(tmp_path, CI_CONTROLLER="false") as server:
        yield server


def test_a_stop_ends_streams_at_once_without_an_end_of_the_job(server: RunningServer) -> None:
    with server.client(server.key()) as client:
        with client.stream("POST", "/submit-stream", files={"file": zipped()}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            assert stream.headers["x-accel-buffering"] == "no"
            parts = stream.iter_raw()
            told = next(parts)
            server.signal(signal.SIGTERM)
            told += b"".join(parts)
        assert server.exit_code() == 0
    assert b'"job_id"' in told
    assert b"complete" not in told
    assert "Traceback" not in server.log


async def test_the_stop_waits_for_nobody_who_does_not_read(server: RunningServer) -> None:
    key = await asyncio.to_thread(server.key)
    address = urlsplit(server.url)
    with server.client(key) as client:
        job_id = client.post("/submit-async", files={"file": zipped()}).json()["job_id"]
        client.delete(f"/jobs/{job_id}")
    log = server.folder / "ci_data/jobs" / job_id / "attempts/1/log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"x" * 50_000_000)
    # So that it stops to read soon, and the server has much that it cannot send.
    _, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
    writer.write(
        f"GET /jobs/{job_id}/stream?from_beginning=true HTTP/1.1\r\nHost: ci\r\n"
        f"X-API-Key: {key['X-API-Key']}\r\n\r\n".encode()
    )
    await writer.drain()
    with server.client(key) as client:
        assert (await asyncio.to_thread(client.get, f"/jobs/{job_id}")).status_code == 200
        gauge = re.compile(r"^ci_streams_open 1\.0$", re.MULTILINE)
        async with asyncio.timeout(60):
            while not gauge.search((await asyncio.to_thread(client.get, "/metrics")).text):
                await asyncio.sleep(0.05)
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.exit_code) == 0
    writer.close()


async def test_a_reader_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SEND_SECONDS", 0.01)
    closed = asyncio.Event()

    async def events():  # noqa: ANN202  # an async generator
        try:
            while True:
                yield b"data: x\n\n"
        finally:
            closed.set()

    async def takes_nothing(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async with asyncio.timeout(60):
        await EventStream(events()).stream_response(takes_nothing)
    assert closed.is_set()


def test_a_connection_whose_other_side_takes_nothing_is_given_up_by_the_system() -> None:
    import socket

    with closing(listen("127.0.0.1", 0)) as listener:
        milliseconds = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert milliseconds == READER_SECONDS * 1000


def test_an_address_that_is_none_is_told_with_what_to_do() -> None:
    with pytest.raises(CannotListen, match="CI_HOST"):
        listen("no.such.host.invalid", 0)
