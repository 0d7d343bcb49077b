"""Every failure of a server in clear words, within bounds of time and size."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from counted_waits import until
from dribbling_server import dribbling_server
from forge_api import NUMBERS, api_at
from forge_workspace import SECRET
from small_server import Asked, Told, small_server

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.api_server import Refused


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


async def failure(
    answer: Callable[[Asked], Told], *, token: str | None = SECRET, **bounds: Any
) -> CollectionFailed:
    with small_server(answer) as server:
        async with api_at(server.url, token=token, **bounds) as api:
            with pytest.raises(CollectionFailed) as failed:
                await (await api.get("/numbers")).read(NUMBERS)
    assert SECRET not in repr(failed.value)
    assert failed.value.__cause__ is None
    return failed.value


@pytest.mark.parametrize(
    "location", ["", "ftp://x/", "http://[", "http://127.0.0.1:1/", f"http://{SECRET}@[x/"]
)
async def test_a_redirect_to_nowhere_is_a_failure(location: str) -> None:
    failed = await failure(lambda asked: Told(b"", 302, {"Location": location}))
    assert "GITHUB_API_URL" in str(failed)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(b"{", 200), "no answer of GitHub's API"),
        (Told(b"", 200), "no answer of GitHub's API"),
        (Told(b"", 204), "no answer of GitHub's API"),
        (Told(b"<html>Sign in</html>"), "check GITHUB_API_URL, and what stands between"),
        (Told(f'{{"message": "{SECRET}"}}'.encode()), "to /numbers is no answer"),
        (Told(b"[" * 100_000), "no answer of GitHub's API"),
        (Told(b'["one"]'), "no answer of GitHub's API"),
        (Told(f"<html>{SECRET}</html>".encode(), 502, {"Content-Type": "text/html"}), "answered 502"),
        (Told(b"", 503, {"Retry-After": "60"}), "answered 503; that may pass"),
        (Told(SECRET.encode(), 401), "the token is not accepted; set GITHUB_TOKEN"),
        (Told(SECRET.encode(), 403, {"X-RateLimit-Remaining": "1"}), "no permission; see what the token of"),
        (Told(SECRET.encode(), 404), "nothing there, or no access"),
        (Told(SECRET.encode(), 422), "answered 422 to /numbers"),
        (Told(b"", 301), "answered 301"),
        (Told(b"[1", headers={"Content-Length": "100"}), "broke off (RemoteProtocolError)"),
        (Told(b"no gzip", headers={"Content-Encoding": "gzip"}), "broke off (DecodingError)"),
    ],
)
async def test_every_failure_names_the_server_and_what_to_do(told: Told, words: str) -> None:
    text = str(await failure(lambda asked: told))
    assert words in text
    assert "GitHub (127.0.0.1)" in text


async def test_a_304_that_nobody_asked_for_is_a_failure() -> None:
    assert "answered 304" in str(await failure(lambda asked: Told(b"", 304)))


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_without_a_token_one_is_asked_for(status: int) -> None:
    failed = await failure(lambda asked: Told(b"", status), token=None)
    assert str(failed).endswith("set GITHUB_TOKEN")
    assert failed.retry_in == 60


async def test_only_what_asking_again_would_not_change_is_refused() -> None:
    assert [
        isinstance(await failure(lambda asked, status=status: Told(b"", status)), Refused)
        for status in (400, 403, 404, 422, 401, 500, 502)
    ] == [True] * 4 + [False] * 3


@pytest.mark.parametrize(("size", "fits"), [(100, True), (101, False)])
async def test_an_answer_may_have_so_many_bytes(size: int, fits: bool) -> None:
    body = b"[1]".ljust(size)
    with small_server(lambda asked: Told(body)) as server:
        async with api_at(server.url, largest_answer=100) as api:
            if fits:
                assert await (await api.get("/")).read(NUMBERS) == [1]
            else:
                with pytest.raises(Refused, match="more than 100 bytes"):
                    await api.get("/")


async def test_a_large_answer_is_read_and_a_large_error_is_an_error() -> None:
    numbers = list(range(200_000))
    bodies = iter([Told(json.dumps(numbers).encode()), Told(b"x" * 9_000_000, 500)])
    with small_server(lambda asked: next(bodies)) as server:
        async with api_at(server.url) as api:
            assert await (await api.get("/")).read(NUMBERS) == numbers
            with pytest.raises(CollectionFailed, match="answered 500"):
                await api.get("/")


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
async def test_a_server_that_is_silent_or_dribbles_is_left_after_a_while(
    begins: bytes, skip_ahead: Callable[[float], None]
) -> None:
    async with dribbling_server(begins) as server, api_at(server.url, timeout_seconds=600) as api:
        asking = asyncio.create_task(api.get("/"))
        await until(lambda: server.asked)
        # More than a byte comes between the two, if any comes.
        skip_ahead(400)
        await asyncio.sleep(0.2)
        skip_ahead(400)
        with pytest.raises(
            CollectionFailed, match=r"did not answer within 600 s; check the network, and GITHUB_"
        ):
            await asyncio.wait_for(asking, 30)
        await server.left()


async def test_nobody_there_is_a_failure() -> None:
    with small_server(lambda asked: Told(b"")) as server:
        pass
    async with api_at(server.url) as api:
        with pytest.raises(CollectionFailed, match=r"cannot be reached or broke off \(ConnectError\)"):
            await api.get("/")


@pytest.mark.parametrize("url", ["http://a b", "http://x:99999", "http://exa\x00mple"])
async def test_a_url_that_is_none_is_a_failure(url: str) -> None:
    async with api_at(url) as api:
        with pytest.raises(CollectionFailed, match="GITHUB_API_URL"):
            await api.get("/")


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", f"odd://{SECRET}@x"), ("SSL_CERT_FILE", f"/nowhere/{SECRET}")]
)
async def test_an_environment_that_no_client_can_be_made_with_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY")
    async with api_at("https://forge.test") as api:
        with pytest.raises(CollectionFailed, match=name) as failed:
            await api.get("/")
    assert SECRET not in str(failed.value)
