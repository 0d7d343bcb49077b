"""Agents that answer with something else, or not at all."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable

import httpx
import pytest
from agent_servers import agent, silence, told
from counted_waits import under_way
from read_agents import GOOD, TOKEN, read_one, unreadable, until

from fleet_metadata.agents.unreadable import of_fault
from fleet_metadata.client import LARGEST_BYTES, FleetClient, Kind, Unreadable, WorkspaceMetadata


@pytest.mark.parametrize("token", ["correct\nhorse", "correct\0horse", "zażółć"])
def test_a_token_that_no_header_takes_is_refused_without_being_told(token: str) -> None:
    with pytest.raises(ValueError, match="no HTTP header") as refused:
        FleetClient(token)
    assert token not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("", "no URL|not the URL"),
        ("127.0.0.1:8001", "not the URL"),
        ("ftp://127.0.0.1/", "not the URL"),
        ("file:///etc/passwd", "not the URL"),
        ("http://", "not the URL"),
        ("http://[::1", "no URL"),
        ("http://127.0.0.1:abc", "no URL"),
        ("http://127.0.0.1:65536", "port"),
        ("http://127.0.0.1:0", "port"),
        ("http://a b/", "not the URL"),
        ("http://%00/", "not the URL"),
        ("http://127.0.0.1/\x00", "no URL"),
        ("http://me:hunter2@127.0.0.1/", "credentials"),
        ("http://hunter2@127.0.0.1/", "credentials"),
        ("http://127.0.0.1/?key=hunter2", "query"),
        ("http://127.0.0.1/#hunter2", "query"),
        (f"http://127.0.0.1/{'a' * 70000}", "no URL"),
    ],
)
async def test_an_address_that_is_none_is_told_as_such(client: FleetClient, address: str, part: str) -> None:
    result = await unreadable(client, address)
    assert result.kind is Kind.BAD_ADDRESS
    assert any(word in result.why for word in part.split("|")), result.why
    assert "hunter2" not in result.why


async def test_a_host_that_no_name_service_takes_is_no_exception(client: FleetClient) -> None:
    await unreadable(client, f"http://{'a' * 64}.invalid/")


async def test_a_dead_port_refuses(client: FleetClient, dead_url: str) -> None:
    result = await unreadable(client, dead_url)
    assert result == Unreadable(
        Kind.REFUSED, f"{dead_url.removeprefix('http://')} refuses connections: nothing listens there."
    )


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_wrong_or_missing_is_told_apart(status: int) -> None:
    body = json.dumps({"detail": f"not {TOKEN}"}).encode()
    async with agent(told(body, status)) as strict:
        for token, words in ((TOKEN, "does not accept the token"), (None, "none is set")):
            async with FleetClient(token, timeout=30) as client:
                result = await unreadable(client, strict.url)
            assert result.kind is Kind.UNAUTHORIZED
            assert words in result.why
            assert TOKEN not in result.why


@pytest.mark.parametrize("status", [204, 206, 304, 400, 429, 500, 503])
async def test_any_other_status_is_an_error_that_tells_it(client: FleetClient, status: int) -> None:
    async with agent(told(b"", status)) as ill:
        result = await unreadable(client, ill.url)
    assert (result.kind, str(status) in result.why) == (Kind.ERROR, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_told(client: FleetClient, status: int) -> None:
    async with agent(told(GOOD)) as other, agent(told(b"", status, location=other.url)) as moved:
        result = await unreadable(client, moved.url)
    assert (result.kind, other.asked) == (Kind.REDIRECTED, [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<html>",
        b"null",
        b"[]",
        b'"data"',
        b"{}",
        b'{"data": []}',
        b'{"data": null}',
        b'{"data": {"a": {"value": NaN}}}',
        b'{"data": {}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"data": {"a": {"value": ' + b"9" * 5000 + b"}}}",
    ],
)
async def test_what_is_no_metadata_is_told_as_such(client: FleetClient, body: bytes) -> None:
    async with agent(told(body)) as other:
        assert (await unreadable(client, other.url)).kind is Kind.NOT_METADATA


@pytest.mark.parametrize(("size", "fits"), [(LARGEST_BYTES, True), (LARGEST_BYTES + 1, False)])
async def test_an_answer_is_read_up_to_a_size(client: FleetClient, size: int, fits: bool) -> None:
    body = json.dumps(GOOD).encode().ljust(size)
    async with agent(told(body)) as wordy:
        result = await read_one(client, wordy.url)
    assert isinstance(result, WorkspaceMetadata) is fits
    assert fits or (isinstance(result, Unreadable) and result.kind is Kind.TOO_LARGE)


async def test_an_endless_answer_is_cut_off(client: FleetClient) -> None:
    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with agent(endless) as flood:
        assert (await unreadable(client, flood.url)).kind is Kind.TOO_LARGE
        await until(lambda: flood.open == 0)


async def test_a_compressed_answer_is_not_unpacked(client: FleetClient) -> None:
    async with agent(told(b"\x1f\x8b" + b"\x00" * 50, content_encoding="gzip")) as small:
        result = await unreadable(client, small.url)
    assert (result.kind, "compressed" in result.why) == (Kind.NOT_METADATA, True)
    assert small.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_what_is_no_http_is_an_error(client: FleetClient, answer: bytes) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with agent(speak) as odd:
        assert (await unreadable(client, odd.url)).kind is Kind.ERROR


async def test_a_server_without_tls_is_told_as_such(client: FleetClient) -> None:
    server = await asyncio.start_server(_hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await unreadable(client, f"https://127.0.0.1:{port}")
    server.close()
    assert (result.kind, "TLS" in result.why) == (Kind.ERROR, True)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name has no address"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "not trusted"),
        (ssl.SSLError("wrong version number"), "TLS"),
        (OSError("All connection attempts failed"), "cannot be reached"),
        (OSError("failed", ExceptionGroup("several", [ConnectionRefusedError()])), "cannot be reached"),
        (ExceptionGroup("several", [TimeoutError(), ConnectionRefusedError()]), "refuses connections"),
    ],
)
def test_what_a_connection_failed_of_is_told(cause: Exception, words: str) -> None:
    fault = httpx.ConnectError("failed")
    fault.__cause__ = cause
    result = of_fault(fault, "agent.example:8001")
    assert words in result.why
    assert result.kind is (Kind.REFUSED if "refuses" in words else Kind.ERROR)


async def test_the_token_is_in_no_text_and_no_log(
    caplog: pytest.LogCaptureFixture, dead_url: str, skip_ahead: Callable[[float], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpcore")
    async with (
        agent(told(json.dumps(TOKEN).encode(), 500)) as echoing,
        agent(told(b"", 302, location=f"http://127.0.0.1/{TOKEN}")) as moved,
        FleetClient(TOKEN, timeout=600) as client,
        agent(silence) as silent,
    ):
        urls = (echoing.url, moved.url, silent.url, dead_url, f"http://{TOKEN}@127.0.0.1/")
        reading = asyncio.create_task(client.read({url: url for url in urls}))
        await until(lambda: silent.asked and under_way("_asked") == 1)
        skip_ahead(600)
        results = await asyncio.wait_for(reading, 30)
        told_of = [repr(client), *(repr(result) for result in results.values())]
    assert all(isinstance(result, Unreadable) for result in results.values())
    assert caplog.text
    for text in told_of:
        assert TOKEN not in text
    for record in caplog.records:
        # An answer's own headers are told at this level, and here the answer repeats the token in them.
        if "receive_response_headers" not in record.getMessage():
            assert TOKEN not in record.getMessage()


def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()
