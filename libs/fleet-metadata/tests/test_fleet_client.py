"""Agents that are read all at once, well and ill ones."""

import asyncio
import json
import logging
import socket
import ssl
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from time import monotonic
from typing import Any

import httpx
import pytest
from agent_servers import Agent, Asked, agent, document, silence, told

from fleet_metadata.agents.name_lookup import NameLookup
from fleet_metadata.agents.unreadable import of_fault
from fleet_metadata.agents.workspace_metadata import metadata_of
from fleet_metadata.client import LARGEST_BYTES, FleetClient, Kind, Unreadable, WorkspaceMetadata

TOKEN = "correct-horse-battery-staple"
GOOD = document(git_branch="main", git_ahead=None)
VALUES = {"git_branch": "main", "git_ahead": None}


@pytest.fixture
async def client() -> AsyncGenerator[FleetClient]:
    async with FleetClient(TOKEN, timeout=5.0) as client:
        yield client


@pytest.fixture
def dead_url() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


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


async def test_an_agent_tells_values_schemas_and_how_its_collectors_are(client: FleetClient) -> None:
    async with agent(told(GOOD)) as well:
        metadata = await readable(client, well.url)
    assert metadata.values == VALUES
    assert metadata.data["git_branch"].schema["includeInList"] is True
    assert metadata.meta["version"] == "1.0"
    assert [(state.name, state.status, state.duration_ms) for state in metadata.collectors] == [
        ("git", "ok", 6.1)
    ]
    assert metadata.document == GOOD
    assert not metadata.unchanged


async def test_results_come_in_the_order_in_which_agents_were_named(
    client: FleetClient, dead_url: str
) -> None:
    async with agent(told(GOOD)) as well, agent(told(b"", 404)) as lost:
        agents = {"z": well.url, "a": dead_url, "m": lost.url, "b": well.url}
        results = await client.read(agents)
    assert list(results) == ["z", "a", "m", "b"]
    kinds = [result.kind for result in results.values() if isinstance(result, Unreadable)]
    assert kinds == [Kind.REFUSED, Kind.NOT_FOUND]
    assert await client.read({}) == {}


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({}, "/metadata"),
        ({"prefix": "git_"}, "/metadata?prefix=git_"),
        ({"prefix": "a&b=c"}, "/metadata?prefix=a%26b%3Dc"),
        ({"keys": ["git_branch", "git_status"]}, "/metadata?keys=git_branch%2Cgit_status"),
        ({"keys": []}, "/metadata?keys="),
        ({"list_only": True}, "/metadata?list=true"),
        ({"prefix": "git_", "list_only": True}, "/metadata?prefix=git_&list=true"),
    ],
)
async def test_what_is_wanted_is_passed_on(client: FleetClient, query: dict[str, Any], target: str) -> None:
    async with agent(told(GOOD)) as well:
        await readable(client, well.url, **query)
    [asked] = well.asked
    assert asked.target == target
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("path", ["/", "/agents/one", "/agents/one/", "/a%2Fb", "/caf%C3%A9"])
async def test_a_server_may_be_below_a_path(client: FleetClient, path: str) -> None:
    async with agent(told(GOOD)) as well:
        await readable(client, f" {well.url}{path} ")
    assert well.asked[0].target == f"{path.rstrip('/')}/metadata"


async def test_without_a_token_none_is_sent() -> None:
    for token in (None, ""):
        async with FleetClient(token) as client, agent(told(GOOD)) as well:
            await readable(client, well.url)
        assert "authorization" not in well.asked[0].headers


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
            async with FleetClient(token) as client:
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


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"data": {}}, {}),
        ({"data": {}, "meta": [], "more": 1}, {}),
        ({"data": {"a": {"value": 1}, "b": {"schema": {}}, "c": 3, "d": None, "e": []}}, {"a": 1}),
        (
            {"data": {"a": {"value": None, "schema": "text", "unit": "s"}}, "meta": {"collectors": {}}},
            {"a": None},
        ),
        ({"data": {}, "meta": {"collectors": [1, None, {}, {"name": 3}, {"status": "ok"}]}}, {}),
    ],
)
async def test_unknown_and_missing_fields_are_passed_by(
    client: FleetClient, given: dict[str, Any], values: dict[str, Any]
) -> None:
    async with agent(told(given)) as foreign:
        metadata = await readable(client, foreign.url)
    assert metadata.values == values
    assert metadata.collectors == []
    assert all(entry.schema == {} for entry in metadata.data.values())


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
        await _until(lambda: flood.open == 0)


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


async def test_time_is_bounded_for_the_whole_of_an_agent() -> None:
    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0), backlog=1) as black_hole:
        hole = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        async with agent(dripping) as drips, agent(silence) as silent, FleetClient(timeout=0.3) as client:
            began = monotonic()
            results = await client.read({"hole": hole, "drips": drips.url, "silent": silent.url})
            took = monotonic() - began
            await _until(lambda: drips.open == silent.open == 0)
    for result in results.values():
        assert isinstance(result, Unreadable)
        assert result.kind is Kind.TIMEOUT
        assert "0.3 s" in result.why
    assert 0.3 <= took < 3


async def test_a_connection_that_is_never_taken_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        async with FleetClient(timeout=0.3) as client:
            result = await unreadable(client, f"http://127.0.0.1:{address[1]}")
        for one in waiting:
            one.close()
    assert result.kind is Kind.TIMEOUT


async def test_time_counts_from_when_an_agent_has_its_turn() -> None:
    async with (
        agent(silence) as silent,
        agent(told(GOOD)) as well,
        FleetClient(timeout=0.3, concurrency=1) as client,
    ):
        agents = {f"silent-{number}": silent.url for number in range(3)} | {"well": well.url}
        results = await client.read(agents)
    assert [isinstance(result, WorkspaceMetadata) for result in results.values()] == [False] * 3 + [True]


@pytest.mark.parametrize("places", [1, 3])
async def test_no_more_agents_are_asked_at_once_than_is_said(places: int) -> None:
    going, most = 0, 0
    all_in = asyncio.Event()

    async def counted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        if going == places:
            all_in.set()
        async with asyncio.timeout(5):
            await all_in.wait()
        going -= 1
        writer.write(told(GOOD))
        await writer.drain()

    async with agent(counted) as busy, FleetClient(timeout=10, concurrency=places) as client:
        results = await client.read({str(number): busy.url for number in range(9)})
    assert all(isinstance(result, WorkspaceMetadata) for result in results.values())
    assert most == places


async def test_a_slow_agent_delays_no_other(client: FleetClient) -> None:
    others_are_in = asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await others_are_in.wait()
        writer.write(told(GOOD))
        await writer.drain()

    names: list[str] = []
    async with agent(slow) as late, agent(told(GOOD)) as well:
        agents = {"late": late.url} | {f"well-{number}": well.url for number in range(20)}
        async for name, result in client.stream(agents):
            assert isinstance(result, WorkspaceMetadata)
            names.append(name)
            if len(names) == 20:
                others_are_in.set()
    assert (names[-1], set(names)) == ("late", set(agents))


async def test_names_that_nobody_answers_for_delay_no_other() -> None:
    answered = threading.Event()

    def look_up(host: str, port: int | None) -> object:
        if host == "localhost":
            return socket.getaddrinfo(host, port)
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    lookup = NameLookup(100, look_up)
    async with agent(told(GOOD)) as well, FleetClient(timeout=20, lookup=lookup) as client:
        # More than there are threads in an event loop.
        agents = {f"late-{number}": f"http://late-{number}.invalid" for number in range(50)}
        agents["well"] = well.url.replace("127.0.0.1", "localhost")
        results: dict[str, WorkspaceMetadata | Unreadable] = {}
        async for name, result in client.stream(agents):
            results[name] = result
            if name == "well":
                answered.set()
    assert next(iter(results)) == "well"
    assert results.pop("well") == metadata_of(GOOD)
    assert {
        result.why.partition(" ")[2] for result in results.values() if isinstance(result, Unreadable)
    } == {"is not known: its name has no address."}


def _with_etag(etag: str) -> Any:
    def answer(asked: Asked) -> bytes:
        if asked.headers.get("if-none-match") == etag:
            return told(b"", 304, etag=etag)
        return told(GOOD, etag=etag)

    return answer


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', '""'])
async def test_what_has_not_changed_is_not_sent_again(client: FleetClient, etag: str) -> None:
    async with agent(_with_etag(etag)) as steady:
        first = await readable(client, steady.url)
        again = await readable(client, steady.url)
        other = await readable(client, steady.url, prefix="git_")
    assert [asked.headers.get("if-none-match") for asked in steady.asked] == [None, etag, None]
    assert (first.unchanged, again.unchanged, other.unchanged) == (False, True, False)
    assert again.document == first.document == GOOD
    # Nobody shares what was remembered.
    first.meta["collectors"].clear()
    assert again.collectors


async def test_no_connection_is_kept(client: FleetClient) -> None:
    async with agent(told(GOOD)) as well:
        for _ in range(3):
            await readable(client, well.url)
            await _until(lambda: well.open == 0)


async def test_what_has_changed_is_told_and_remembered_anew(client: FleetClient) -> None:
    answers = [told(document(a=number), etag=f'"{number}"') for number in range(3)]
    async with agent(lambda asked: answers[len(changing.asked) - 1]) as changing:
        values = [(await readable(client, changing.url)).values for _ in answers]
    assert values == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert [asked.headers.get("if-none-match") for asked in changing.asked] == [None, '"0"', '"1"']


@pytest.mark.parametrize("etag", ["abc", '"a b"', '"é"', f'"{"a" * 300}"', '"a", "b"'])
async def test_an_etag_that_cannot_be_asked_by_is_not(client: FleetClient, etag: str) -> None:
    async with agent(_with_etag(etag)) as odd:
        for _ in range(2):
            assert not (await readable(client, odd.url)).unchanged


async def test_what_is_too_old_is_asked_for_anew() -> None:
    async with agent(_with_etag('"abc"')) as steady, FleetClient(remember_seconds=0) as client:
        for _ in range(2):
            assert not (await readable(client, steady.url)).unchanged


async def test_a_cookie_is_for_nobody(client: FleetClient) -> None:
    async with agent(told(GOOD, set_cookie="session=abc; Path=/")) as sticky:
        for _ in range(2):
            await readable(client, sticky.url)
    assert ["cookie" in asked.headers for asked in sticky.asked] == [False, False]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, dead_url: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead_url)
    async with agent(told(GOOD)) as well, FleetClient(TOKEN) as client:
        await readable(client, well.url)


async def test_the_token_is_in_no_text_and_no_log(caplog: pytest.LogCaptureFixture, dead_url: str) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        agent(told(json.dumps(TOKEN).encode(), 500)) as echoing,
        agent(told(b"", 302, location=f"http://127.0.0.1/{TOKEN}")) as moved,
        FleetClient(TOKEN, timeout=0.5) as client,
        agent(silence) as silent,
    ):
        urls = (echoing.url, moved.url, silent.url, dead_url, f"http://{TOKEN}@127.0.0.1/")
        results = await client.read({url: url for url in urls})
        told_of = [repr(client), *(repr(result) for result in results.values())]
    assert all(isinstance(result, Unreadable) for result in results.values())
    assert caplog.text
    for text in told_of:
        assert TOKEN not in text
    for record in caplog.records:
        # An answer's own headers are told at this level, and here the answer repeats the token in them.
        if "receive_response_headers" not in record.getMessage():
            assert TOKEN not in record.getMessage()


async def test_who_has_heard_enough_leaves_nothing_behind() -> None:
    async with agent(silence) as silent, agent(told(GOOD)) as well, FleetClient(timeout=60) as client:
        agents = {str(number): silent.url for number in range(5)} | {"well": well.url}
        async with asyncio.timeout(5), aclosing(client.stream(agents)) as answers:
            async for name, _ in answers:
                assert name == "well"
                break
        await _until(lambda: silent.open == 0)
        assert _tasks_of_clients() == []


async def test_a_reader_that_is_cancelled_takes_its_requests_along() -> None:
    async with agent(silence) as silent, FleetClient(timeout=60) as client:
        reading = asyncio.create_task(client.read({str(number): silent.url for number in range(5)}))
        await _until(lambda: silent.open == 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reading, 5)
        await _until(lambda: silent.open == 0)
        assert _tasks_of_clients() == []


@pytest.mark.parametrize("places", [2, 100])
async def test_a_client_that_is_closed_ends_what_is_under_way(places: int) -> None:
    client = FleetClient(timeout=60, concurrency=places)
    async with agent(silence) as silent:
        agents = {str(number): silent.url for number in range(5)}
        readings = [asyncio.create_task(client.read(agents)) for _ in range(2)]
        await _until(lambda: silent.open == min(places, 10))
        await client.aclose()
        for reading in readings:
            with pytest.raises(RuntimeError, match="this client was closed"):
                await asyncio.wait_for(reading, 5)
        await _until(lambda: silent.open == 0)
    with pytest.raises(RuntimeError, match="this client is closed"):
        await client.read({"it": silent.url})
    await client.aclose()
    assert _tasks_of_clients() == []


async def test_a_hundred_agents_with_five_dead_ones_are_read_in_under_a_second(dead_url: str) -> None:
    body = told(document(**{f"git_key_{number}": "x" * 50 for number in range(40)}), etag='"abc"')
    async with AsyncExitStack() as stack, FleetClient(TOKEN) as client:
        well = [await stack.enter_async_context(agent(body)) for _ in range(95)]
        agents = {str(number): one.url for number, one in enumerate(well)}
        agents |= {f"dead-{number}": dead_url for number in range(5)}
        took = [await _seconds(client, agents, well) for _ in range(3)]
    assert min(took) < 1, took


async def _seconds(client: FleetClient, agents: dict[str, str], well: list[Agent]) -> float:
    began = monotonic()
    results = await client.read(agents)
    took = monotonic() - began
    assert sum(isinstance(result, WorkspaceMetadata) for result in results.values()) == len(well)
    return took


def _tasks_of_clients() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "FleetClient" in repr(task)]


async def _until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()
