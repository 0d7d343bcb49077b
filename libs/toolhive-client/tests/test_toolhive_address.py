"""Where a client is told that ToolHive is, and how it gets there."""

import httpx
import pytest
import respx
from counted_waits import Waits
from loopback_http import Told
from toolhive_answers import SECRET
from toolhive_server import VERSION, ToolhiveServer

from toolhive_client import ToolhiveClient, ToolhiveUnavailable


async def test_a_path_before_that_of_the_api_is_kept(toolhive: ToolhiveServer) -> None:
    toolhive.answer_instead(f"/toolhive{VERSION}", Told(200, b'{"version": "v3"}'))
    async with ToolhiveClient(f"{toolhive.url}/toolhive/") as client:
        assert await client.get_version() == "v3"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "127.0.0.1:8080",
            "ftp://127.0.0.1",
            "unix:///run/thv.sock",
            "http://",
            "http://[::1",
            "http:///x",
        ),
        *("http://host:port", "http://host:99999", "http://a b", "http://host?a=1", "http://host#a"),
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        ToolhiveClient(url)


async def test_a_password_in_the_url_is_in_no_error_and_no_log(
    waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with ToolhiveClient(f"http://user:{SECRET}@127.0.0.1:1", sleep=waits) as client:
        with pytest.raises(
            ToolhiveUnavailable, match=r"^ToolHive at 127\.0\.0\.1:1 cannot be reached"
        ) as failed:
            await client.get_version()
    assert SECRET not in f"{failed.value}{caplog.text}"


async def test_it_is_shown_to_the_server(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(f"https://toolhive.example/thv{VERSION}").respond(json={"version": "v5"})
    async with ToolhiveClient("https://user:p%40ss@toolhive.example/thv") as client:
        assert await client.get_version() == "v5"
    assert route.calls.last.request.headers["Authorization"] == httpx.BasicAuth("user", "p@ss")._auth_header


async def test_a_proxy_of_the_environment_sees_no_request_to_this_machine(
    toolhive: ToolhiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ToolhiveServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with ToolhiveClient(toolhive.url) as client:
            assert await client.get_version() == toolhive.version
        assert not proxy.targets


async def test_it_is_used_for_others(monkeypatch: pytest.MonkeyPatch, toolhive: ToolhiveServer) -> None:
    url = "http://toolhive.example:8080"
    toolhive.answer_instead(VERSION, Told(200, b'{"version": "v4"}'))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", toolhive.url)
    async with ToolhiveClient(url) as client:
        assert await client.get_version() == "v4"
    assert toolhive.targets == [url + VERSION]


async def test_what_the_environment_has_wrong_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"nonsense://{SECRET}")
    with pytest.raises(ToolhiveUnavailable, match="check what the environment says of proxies") as failed:
        ToolhiveClient("http://toolhive.example:8080")
    assert SECRET not in str(failed.value)
