"""What a listing that cannot be had says, and how often it is asked for; a part of it is never told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from counted_waits import until
from kubernetes_objects import SECRET, mcp_server
from kubernetes_server import KubernetesServer, forbidden, kubernetes_server, listed, status
from loopback_http import Told

from toolhive_client.errors import ToolhiveTimeout, ToolhiveUnavailable
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.models import Listing

PLURALS = ["mcpservers", "mcpremoteproxies", "mcpserverentries"]
Connect = Callable[..., KubernetesClient]


@pytest.fixture
async def server() -> AsyncGenerator[KubernetesServer]:
    async with kubernetes_server() as server:
        server.serve("mcpservers", mcp_server("github"))
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The seconds that a client waited before it asked again."""
    return []


@pytest.fixture
async def connect(server: KubernetesServer, waits: list[float], tmp_path: Path) -> AsyncGenerator[Connect]:
    clients: list[KubernetesClient] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def connect(url: str = server.url, **bounds: Any) -> KubernetesClient:
        missing = tmp_path / "none"
        clients.append(KubernetesClient(url, token_file=missing, ca_file=missing, sleep=sleep, **bounds))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


async def refusal(client: KubernetesClient) -> ToolhiveUnavailable:
    with pytest.raises(ToolhiveUnavailable) as caught:
        await client.list_workloads()
    return caught.value


@pytest.mark.parametrize("plural", PLURALS)
async def test_a_kind_that_may_not_be_listed_says_what_to_allow(
    connect: Connect, server: KubernetesServer, plural: str
) -> None:
    server.answer_instead(plural, forbidden(plural))
    said = str(await refusal(connect()))
    assert f"must let us list {plural}.toolhive.stacklok.dev at the cluster scope" in said
    assert len(server.asked_for(plural)) == 1


@pytest.mark.parametrize("plural", PLURALS)
async def test_one_kind_that_fails_fails_the_whole_listing(
    connect: Connect, server: KubernetesServer, plural: str
) -> None:
    server.answer_instead(plural, *(status(500) for _ in range(3)))
    assert "answered 500" in str(await refusal(connect()))


@pytest.mark.parametrize("code", [500, 502, 503, 504, 429])
async def test_what_may_pass_is_asked_for_again_twice(
    connect: Connect, server: KubernetesServer, waits: list[float], code: int
) -> None:
    server.answer_instead("mcpservers", status(code), status(code))
    assert len((await connect().list_workloads()).workloads) == 1
    assert 0.1 <= waits[0] <= 0.3 <= sum(waits) <= 0.9
    server.answer_instead("mcpservers", status(code), status(code), status(code))
    assert f"answered {code}" in str(await refusal(connect()))
    assert len(server.asked_for("mcpservers")) == 6


@pytest.mark.parametrize("code", [400, 401, 403, 405, 406, 422, 501])
async def test_what_will_not_pass_is_asked_for_once(
    connect: Connect, server: KubernetesServer, waits: list[float], code: int
) -> None:
    server.answer_instead("mcpservers", status(code))
    assert f"answered {code}" in str(await refusal(connect()))
    assert waits == []


@pytest.mark.parametrize("code", [429, 503])
async def test_the_wait_that_is_asked_for_is_kept(
    connect: Connect, server: KubernetesServer, waits: list[float], code: int
) -> None:
    server.answer_instead("mcpservers", status(code, headers={"Retry-After": "5"}))
    await connect().list_workloads()
    assert waits == [5.0]


async def test_a_wait_that_is_too_long_is_not_waited(
    connect: Connect, server: KubernetesServer, waits: list[float]
) -> None:
    server.answer_instead("mcpservers", status(429, headers={"Retry-After": "6"}))
    assert "answered 429" in str(await refusal(connect()))
    assert waits == []


async def test_an_answer_that_does_not_come_in_time_is_a_timeout(
    connect: Connect, server: KubernetesServer, skip_ahead: Callable[[float], None]
) -> None:
    server.seconds["mcpremoteproxies"] = 3600
    failing = asyncio.create_task(refusal(connect(timeout_seconds=600)))
    for tries in (1, 2, 3):
        await until(lambda tries=tries: len(server.asked_for("mcpremoteproxies")) == tries)
        await until(lambda: len(server.asked) >= 3)
        skip_ahead(600)
    failure = await failing
    assert isinstance(failure, ToolhiveTimeout)
    assert "within 600 s" in str(failure)
    assert len(server.asked_for("mcpremoteproxies")) == 3


async def test_one_that_is_given_up_leaves_nothing_running(
    connect: Connect, server: KubernetesServer
) -> None:
    server.seconds = dict.fromkeys(PLURALS, 60)
    listing = asyncio.create_task(connect().list_workloads())
    await until(lambda: len(server.asked) == 3)
    listing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listing
    assert len(server.asked) == 3


async def test_a_server_that_is_not_there_says_what_to_check(connect: Connect) -> None:
    said = str(await refusal(connect("http://127.0.0.1:1")))
    assert "http://127.0.0.1:1 cannot be reached" in said
    assert "check K8S_API_SERVER_URL" in said


async def test_a_connection_that_breaks_off_is_tried_again(
    connect: Connect, server: KubernetesServer
) -> None:
    cut = Told(200, b"{", {"Content-Length": "100", "Connection": "close"})
    server.answer_instead("mcpservers", cut)
    assert len((await connect().list_workloads()).workloads) == 1
    server.answer_instead("mcpservers", cut, cut, cut)
    assert "broke off" in str(await refusal(connect()))


async def test_an_answer_may_have_so_many_bytes_and_no_more(
    connect: Connect, server: KubernetesServer
) -> None:
    size = len(listed("mcpservers", mcp_server("github")).body)
    assert len((await connect(largest_answer=size).list_workloads()).workloads) == 1
    assert f"more than {size - 1:,} bytes" in str(await refusal(connect(largest_answer=size - 1)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        f"<html>{SECRET}</html>".encode(),
        b'{"kind": "MCPServerList"}',
        b'{"kind": "MCPServerList", "items": {}}',
        b'{"kind": "MCPServerList", "items": [], "metadata": {"continue": 7}}',
        b'{"kind": "PodList", "items": []}',
        b'{"items": []}',
        b'{"kind": "MCPServerList", "items": [' + b"[" * 10_000,
    ],
    ids=lambda body: body[:60].decode(),
)
async def test_what_is_no_list_of_that_kind_is_a_failure(
    connect: Connect, server: KubernetesServer, body: bytes
) -> None:
    server.answer_instead("mcpservers", Told(200, body))
    said = str(await refusal(connect()))
    assert said.startswith("The Kubernetes API at http://127.0.0.1:")
    assert "answered with no list of mcpservers; check K8S_API_SERVER_URL" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8001",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:x",
        f"http://me:{SECRET}@127.0.0.1",
        f"http://127.0.0.1?token={SECRET}",
        f"http://127.0.0.1#{SECRET}",
    ],
)
def test_a_url_that_is_none_of_an_api_server_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="not the address of an API server") as caught:
        KubernetesClient(url)
    assert SECRET not in str(caught.value)


async def test_a_failure_leaves_nothing_behind(connect: Connect, server: KubernetesServer) -> None:
    client = connect()
    server.answer_instead("mcpservers", forbidden("mcpservers"))
    await refusal(client)
    assert isinstance(await client.list_workloads(), Listing)
