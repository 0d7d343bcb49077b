"""Where a server sends us, and what is sent there."""

import httpx
import pytest
import respx
from forge_api import NUMBERS, api_at
from forge_workspace import SECRET
from small_server import Asked, Told, small_server

from fleet_metadata.collector import CollectionFailed


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


async def test_a_renamed_place_is_followed_with_the_token() -> None:
    def answer(asked: Asked) -> Told:
        if asked.path.startswith("/old"):
            return Told(b"moved", 301, {"Location": "/new?state=all"})
        return Told(b"[1]")

    with small_server(answer) as server:
        async with api_at(server.url) as api:
            assert await (await api.get("/old", {"state": "all"})).read(NUMBERS) == [1]
    assert [asked.path for asked in server.asked] == ["/old?state=all", "/new?state=all"]
    assert all(asked.headers["Authorization"] == f"Bearer {SECRET}" for asked in server.asked)


async def test_the_token_goes_to_no_other_server_and_not_back_from_there() -> None:
    def elsewhere(asked: Asked) -> Told:
        return Told(b"", 302, {"Location": f"{home.url}/end"})

    def at_home(asked: Asked) -> Told:
        if asked.path == "/end":
            return Told(b"[1]", 200, {"ETag": '"1"', "Link": '</more>; rel="next"'})
        return Told(b"", 307, {"Location": f"{other.url.replace('//', f'//you:{SECRET}@')}/there"})

    with small_server(elsewhere) as other, small_server(at_home) as home:
        async with api_at(home.url) as api:
            for _ in range(2):
                [page] = await api.pages("/begin")
                assert await page.read(NUMBERS) == [1]
    assert len(other.asked) == 2
    assert [asked.headers.get("Authorization") for asked in home.asked] == [f"Bearer {SECRET}", None] * 2
    for asked in (*other.asked, *home.asked):
        assert "If-None-Match" not in asked.headers
    assert all({"Authorization", "X-Version"}.isdisjoint(asked.headers) for asked in other.asked)


@respx.mock
async def test_a_server_may_send_us_from_http_to_https_and_not_back() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "http" and request.url.path == "/up":
            return httpx.Response(301, headers={"Location": "https://forge.test/up"})
        if request.url.path == "/down" and request.url.scheme == "https":
            return httpx.Response(301, headers={"Location": "http://forge.test/down"})
        return httpx.Response(200, json=[len(request.headers.get("Authorization", ""))])

    respx.route().mock(side_effect=answer)
    async with api_at("http://forge.test") as api:
        assert await (await api.get("/up")).read(NUMBERS) == [len(f"Bearer {SECRET}")]
    async with api_at("https://forge.test") as api:
        assert await (await api.get("/down")).read(NUMBERS) == [0]


@pytest.mark.parametrize(("redirects", "ends"), [(5, True), (6, False)])
async def test_redirects_come_to_an_end(redirects: int, ends: bool) -> None:
    def answer(asked: Asked) -> Told:
        done = int(asked.path[1:])
        return Told(b"[]", 302, {"Location": f"/{done + 1}"}) if done < redirects else Told(b"[1]")

    with small_server(answer) as server:
        async with api_at(server.url) as api:
            if ends:
                assert await (await api.get("/0")).read(NUMBERS) == [1]
            else:
                with pytest.raises(CollectionFailed, match="redirects without end; check GITHUB_API_URL"):
                    await api.get("/0")
    assert len(server.asked) == 6
