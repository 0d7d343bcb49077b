"""The token of a service account is seen by the API server alone."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kubernetes_objects import SECRET, mcp_remote_proxy, mcp_server, mcp_server_entry
from kubernetes_server import KubernetesServer, forbidden, kubernetes_server, status
from loopback_http import Told
from structlog.testing import capture_logs

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.models import Listing

TOKEN = "eyJhbGciOiJSUzI1NiJ9.a-token.of-a-service-account"


@pytest.fixture(autouse=True)
def no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder in which a service account has its files; there are none yet."""
    return tmp_path


@pytest.fixture
async def server() -> AsyncGenerator[KubernetesServer]:
    async with kubernetes_server(TOKEN) as server:
        yield server


@asynccontextmanager
async def connected(url: str, account: Path) -> AsyncGenerator[KubernetesClient]:
    async with KubernetesClient(
        url, timeout_seconds=30, token_file=account / "token", ca_file=account / "ca.crt", sleep=_at_once
    ) as client:
        yield client


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


async def listing(url: str, account: Path) -> Listing:
    async with connected(url, account) as client:
        return await client.list_workloads()


async def refusal(url: str, account: Path) -> str:
    with pytest.raises(ToolhiveUnavailable) as caught:
        await listing(url, account)
    return str(caught.value)


async def test_the_token_of_the_service_account_is_shown(server: KubernetesServer, account: Path) -> None:
    (account / "token").write_text(f"{TOKEN}\n")
    assert await listing(server.url, account) == Listing(())
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


async def test_without_a_service_account_nothing_is_shown(server: KubernetesServer, account: Path) -> None:
    server.token = None
    assert await listing(server.url, account) == Listing(())
    assert not any("authorization" in asked.headers for asked in server.asked)


async def test_the_token_is_read_anew_for_each_listing(server: KubernetesServer, account: Path) -> None:
    async with connected(server.url, account) as client:
        for server.token in ("the-first", "the-second"):
            (account / "token").write_text(server.token)
            assert await client.list_workloads() == Listing(())


async def test_a_token_that_is_missing_says_where_it_was_looked_for(
    server: KubernetesServer, account: Path
) -> None:
    said = await refusal(server.url, account)
    assert "answered 401; there is no token in" in said
    assert str(account / "token") in said


async def test_a_token_that_is_not_accepted_is_not_repeated(server: KubernetesServer, account: Path) -> None:
    (account / "token").write_text(SECRET)
    said = await refusal(server.url, account)
    assert f"answered 401; see to the service account whose token is in {account / 'token'}" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "text", ["", " \n", f"{SECRET} {SECRET}", f"{SECRET}\n{SECRET}", f"{SECRET}é", f"{SECRET}\0"], ids=repr
)
async def test_a_file_that_holds_no_token_says_so(server: KubernetesServer, account: Path, text: str) -> None:
    (account / "token").write_text(text)
    said = await refusal(server.url, account)
    assert "holds no token" in said
    assert SECRET not in said
    assert server.asked == []


async def test_a_file_that_cannot_be_read_says_so(server: KubernetesServer, account: Path) -> None:
    (account / "token").mkdir()
    assert "cannot be read" in await refusal(server.url, account)


async def test_a_pipe_in_place_of_the_token_is_not_waited_for(
    server: KubernetesServer, account: Path
) -> None:
    os.mkfifo(account / "token")
    async with asyncio.timeout(30):
        assert "cannot be read" in await refusal(server.url, account)


async def test_no_redirect_is_followed(server: KubernetesServer, account: Path) -> None:
    (account / "token").write_text(TOKEN)
    async with kubernetes_server() as other:
        server.answer_instead("mcpservers", Told(302, headers={"Location": f"{other.url}/apis?{SECRET}"}))
        said = await refusal(server.url, account)
        assert "redirects elsewhere, which is not followed; check K8S_API_SERVER_URL" in said
        assert SECRET not in said
        assert other.asked == []


async def test_no_token_goes_to_another_host_over_plain_http(
    server: KubernetesServer, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    (account / "token").write_text(TOKEN)
    said = await refusal("http://kubernetes.example", account)
    assert "answered 401; no token is sent to another host over plain http" in said
    server.token = None
    assert await listing("http://kubernetes.example", account) == Listing(())
    assert {asked.headers["host"] for asked in server.asked} == {"kubernetes.example"}
    assert not any("authorization" in asked.headers for asked in server.asked)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_proxy_is_asked_for_what_is_on_this_machine(
    server: KubernetesServer, account: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    (account / "token").write_text(TOKEN)
    assert await listing(server.url.replace("127.0.0.1", host), account) == Listing(())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        *(status(code, f"no {SECRET} {TOKEN}") for code in (400, 401, 403, 410, 429, 500)),
        forbidden("mcpservers"),
        Told(302, SECRET.encode(), {"Location": "http://127.0.0.1:1/"}),
        Told(200, f"{SECRET} {TOKEN}".encode()),
        Told(200, SECRET.encode(), {"Content-Encoding": "gzip"}),
        Told(200, SECRET.encode(), {"Content-Length": "100", "Connection": "close"}),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:10]!r}" if answer else "well",
)
async def test_no_secret_is_in_an_error_or_a_line_of_a_log(
    server: KubernetesServer, account: Path, caplog: pytest.LogCaptureFixture, answer: Told | None
) -> None:
    (account / "token").write_text(TOKEN)
    server.serve("mcpservers", mcp_server(), mcp_server("broken", image=1))
    server.serve("mcpremoteproxies", mcp_remote_proxy(), mcp_remote_proxy("github"))
    server.serve("mcpserverentries", mcp_server_entry(), {SECRET: SECRET})
    server.answer_instead("mcpservers", *([answer] * 3 if answer else []))
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpcore")
    with capture_logs() as logs:
        async with connected(server.url, account) as client:
            try:
                said = repr(await client.list_workloads())
            except ToolhiveUnavailable as error:
                said = f"{error!r} {error.__cause__!r}"
    everything = f"{said} {logs} {caplog.text} {client!r}"
    assert "127.0.0.1" in caplog.text
    assert SECRET not in everything
    assert TOKEN not in everything
