"""Every failure in clear words, tried again where that may help, within bounds of time and size."""

import asyncio
import json
from collections.abc import Callable

import pytest
from counted_waits import Waits, until
from dribbling_server import dribbling_server
from loopback_http import Told
from toolhive_answers import SECRET
from toolhive_server import VERSION, WORKLOADS, ToolhiveServer

from toolhive_client import ToolhiveClient, ToolhiveTimeout, ToolhiveUnavailable


async def failure(client: ToolhiveClient) -> ToolhiveUnavailable:
    with pytest.raises(ToolhiveUnavailable) as failed:
        await client.get_version()
    assert SECRET not in repr(failed.value)
    assert failed.value.__cause__ is None
    return failed.value


@pytest.mark.parametrize("status", [500, 502, 503, 504, 0])
async def test_what_may_pass_is_tried_three_times(
    client: ToolhiveClient, toolhive: ToolhiveServer, waits: Waits, status: int
) -> None:
    toolhive.fail(VERSION, status, times=2)
    assert await client.get_version() == toolhive.version
    assert toolhive.asked[VERSION] == 3
    assert 0.1 <= waits.seconds[0] <= 0.3
    assert 0.2 <= waits.seconds[1] <= 0.6


@pytest.mark.parametrize("status", [500, 0])
async def test_after_three_tries_it_is_a_failure(
    client: ToolhiveClient, toolhive: ToolhiveServer, waits: Waits, status: int
) -> None:
    toolhive.fail(VERSION, status, SECRET, times=3)
    await failure(client)
    assert (toolhive.asked[VERSION], len(waits.seconds)) == (3, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 429, 501])
async def test_what_will_not_pass_is_asked_once(
    client: ToolhiveClient, toolhive: ToolhiveServer, status: int
) -> None:
    toolhive.fail(VERSION, status, times=1)
    assert str(status) in str(await failure(client))
    assert toolhive.asked[VERSION] == 1


@pytest.mark.parametrize(("seconds", "tries"), [("5", 3), ("6", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 3)])
async def test_who_asks_for_a_little_patience_gets_it(
    client: ToolhiveClient, toolhive: ToolhiveServer, waits: Waits, seconds: str, tries: int
) -> None:
    toolhive.answer_instead(VERSION, Told(503, headers={"Retry-After": seconds}))
    await failure(client)
    assert toolhive.asked[VERSION] == tries
    assert all(wait <= 5 for wait in waits.seconds)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(200, b"{"), "What answers is not ToolHive"),
        (Told(200, f"<html>{SECRET}</html>".encode()), "What answers is not ToolHive"),
        (Told(200, b"[" * 100_000), "What answers is not ToolHive"),
        (Told(200, json.dumps({"version": "a" * 65}).encode()), "What answers is not ToolHive"),
        (Told(204), "ToolHive answered 204"),
        (Told(401, SECRET.encode()), "it wants credentials, and has to be reachable without"),
        (Told(404, SECRET.encode()), "check that TOOLHIVE_URL is its address"),
        (Told(500, SECRET.encode()), "ToolHive answered 500; look at its log"),
        (Told(302, headers={"Location": f"http://127.0.0.1:1/{SECRET}"}), "redirects elsewhere"),
        (Told(200, b"x", {"Content-Encoding": "gzip"}), "answers compressed, which was not asked for"),
        (Told(0), "broke off (RemoteProtocolError); check that it runs, and TOOLHIVE_URL"),
    ],
)
async def test_every_failure_says_what_to_do(
    client: ToolhiveClient, toolhive: ToolhiveServer, told: Told, words: str
) -> None:
    toolhive.answer_instead(VERSION, told)
    assert words in str(await failure(client))


@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
async def test_an_answer_may_have_so_many_bytes(toolhive: ToolhiveServer, size: int, fits: bool) -> None:
    toolhive.answer_instead(VERSION, Told(200, b'{"version": "v1.0.0"}'.ljust(size)))
    async with ToolhiveClient(toolhive.url, largest_answer=100) as client:
        if fits:
            assert await client.get_version() == "v1.0.0"
        else:
            assert "more than 100 bytes" in str(await failure(client))
    assert toolhive.asked[VERSION] == 1


async def test_who_is_silent_is_left_after_a_while(
    toolhive: ToolhiveServer, waits: Waits, skip_ahead: Callable[[float], None]
) -> None:
    toolhive.seconds[VERSION] = 3600
    async with ToolhiveClient(toolhive.url, timeout_seconds=600, sleep=waits) as client:
        failing = asyncio.create_task(failure(client))
        for tries in (1, 2, 3):
            await until(lambda tries=tries: toolhive.asked[VERSION] == tries)
            skip_ahead(600)
        failed = await failing
    assert isinstance(failed, ToolhiveTimeout)
    assert f"{toolhive.url.removeprefix('http://')} gave no whole answer within 600 s" in str(failed)
    assert len(waits.seconds) == 2


async def test_so_is_who_dribbles(waits: Waits, skip_ahead: Callable[[float], None]) -> None:
    async with (
        dribbling_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") as server,
        ToolhiveClient(server.url, timeout_seconds=600, sleep=waits) as client,
    ):
        failing = asyncio.create_task(failure(client))
        for tries in (1, 2, 3):
            await until(lambda tries=tries: server.asked == tries)
            skip_ahead(600)
        assert isinstance(await failing, ToolhiveTimeout)
        await server.left()


async def test_nobody_there_is_a_failure(waits: Waits) -> None:
    with ToolhiveServer() as gone:
        pass
    async with ToolhiveClient(gone.url, sleep=waits) as client:
        assert f"ToolHive at 127.0.0.1:{gone.port} cannot be reached" in str(await failure(client))
    assert len(waits.seconds) == 2


async def test_who_comes_back_is_found_at_the_same_address(waits: Waits) -> None:
    with ToolhiveServer() as gone:
        pass
    async with ToolhiveClient(gone.url, sleep=waits) as client:
        await failure(client)
        with ToolhiveServer(port=gone.port, version="v2.0.0"):
            assert await client.get_version() == "v2.0.0"


async def test_what_is_too_long_for_a_url_is_not_asked(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    with pytest.raises(ToolhiveUnavailable, match=r"cannot be asked \(InvalidURL\)"):
        await client.list_workloads(group=SECRET * 10_000)
    assert not toolhive.targets


async def test_a_long_list_does_not_keep_others_waiting(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    for number in range(500):
        toolhive.workloads = [*(toolhive.workloads or ()), {"name": f"plain-{number}", "package": "a" * 200}]
    assert len((await client.list_workloads()).workloads) == 500
    assert toolhive.asked[WORKLOADS] == 1
