"""What is asked of a server, and what is remembered of its answers."""

import json

import httpx
import pytest
from forge_api import NUMBERS, api_at
from forge_workspace import SECRET
from small_server import Asked, Told, small_server

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.remembered_answers import Remembered, RememberedAnswers


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


async def test_a_question_says_who_asks_and_shows_the_token() -> None:
    with small_server(lambda asked: Told(b"[1]")) as server:
        async with api_at(f"{server.url}/api/v3") as api:
            assert await (await api.get("/numbers")).read(NUMBERS) == [1]
    [asked] = server.asked
    assert asked.path == "/api/v3/numbers"
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["User-Agent"].startswith("fleet-metadata/")
    assert asked.headers["X-Version"] == "1"


async def test_odd_characters_of_a_question_arrive_as_they_are() -> None:
    with small_server(lambda asked: Told(b"[]")) as server:
        async with api_at(server.url) as api:
            await api.get("/a%2Fb", {"head": "o:feat/a#b+c &d=é✓%2F"})
    [asked] = server.asked
    path, _, query = asked.path.partition("?")
    assert path == "/a%2Fb"
    assert httpx.QueryParams(query)["head"] == "o:feat/a#b+c &d=é✓%2F"


async def test_a_user_of_the_url_is_sent_as_one_and_is_told_nobody() -> None:
    with small_server(lambda asked: Told(b"", 500)) as server:
        url = server.url.replace("http://", f"http://me:{SECRET}%40x@")
        async with api_at(url, token=None) as api:
            with pytest.raises(CollectionFailed, match="answered 500") as failed:
                await api.get("/")
    assert server.asked[0].headers["Authorization"] == httpx.BasicAuth("me", f"{SECRET}@x")._auth_header
    assert SECRET not in f"{failed.value} {api.server!r}"


async def test_what_has_not_changed_is_not_sent_again() -> None:
    def answer(asked: Asked) -> Told:
        link = '</numbers?page=2>; rel="next"' if "page=2" not in asked.path else ""
        etag = f'W/"{asked.path}"'
        if asked.headers.get("If-None-Match") == etag:
            return Told(b"", 304)
        return Told(b"[2]" if "page=2" in asked.path else b"[1]", 200, {"ETag": etag, "Link": link})

    with small_server(answer) as server:
        async with api_at(server.url) as api:
            for _ in range(3):
                pages = await api.pages("/numbers")
                assert [await page.read(NUMBERS) for page in pages] == [[1], [2]]
    assert ["If-None-Match" in asked.headers for asked in server.asked] == [False] * 2 + [True] * 4


async def test_a_changed_answer_takes_the_place_of_the_remembered_one() -> None:
    told = iter([Told(b"[1]", 200, {"ETag": '"a"'}), Told(b"[2]", 200, {"ETag": '"b"'}), Told(b"", 304)])
    with small_server(lambda asked: next(told)) as server:
        async with api_at(server.url) as api:
            assert [await (await api.get("/")).read(NUMBERS) for _ in range(3)] == [[1], [2], [2]]
    assert [asked.headers.get("If-None-Match") for asked in server.asked] == [None, '"a"', '"b"']


def test_only_so_many_answers_are_remembered_and_the_oldest_go_first() -> None:
    answers = RememberedAnswers(most=2)
    for url in ("a", "b"):
        answers.put(url, Remembered(url, b"x", None))
    assert answers.get("a")
    answers.put("c", Remembered("c", b"x", None))
    assert [url for url in "abc" if answers.get(url)] == ["a", "c"]


def test_only_so_many_bytes_are_remembered() -> None:
    answers = RememberedAnswers(most_bytes=10)
    for url, size in (("a", 5), ("b", 9), ("b", 5), ("c", 1)):
        answers.put(url, Remembered(url, b"x" * size, None))
    assert [url for url in "abc" if answers.get(url)] == ["b", "c"]
    answers.put("d", Remembered("d", b"x" * 11, None))
    assert [url for url in "abcd" if answers.get(url)] == []
    answers.put("e", Remembered("e", b"x" * 10, None))
    assert answers.get("e")


async def test_pages_are_followed_as_far_as_is_asked_for() -> None:
    def answer(asked: Asked) -> Told:
        page = int(httpx.QueryParams(asked.path.partition("?")[2]).get("page", "1"))
        link = (
            f'<{server.url}/numbers?page={page + 1}>; rel="next", <{server.url}/numbers?page=1>; rel="first"'
        )
        return Told(json.dumps([page]).encode(), 200, {"Link": link})

    with small_server(answer) as server:
        async with api_at(server.url) as api:
            pages = await api.pages("/numbers", {"per_page": 1}, most=3)
    assert [await page.read(NUMBERS) for page in pages] == [[1], [2], [3]]


@pytest.mark.parametrize(
    "link", ['<http://127.0.0.1:1/numbers>; rel="next"', "<>; next", ";;,", '<x>; rel="last"']
)
async def test_a_next_page_at_another_server_is_not_asked_for(link: str) -> None:
    with small_server(lambda asked: Told(b"[1]", 200, {"Link": link})) as server:
        async with api_at(server.url) as api:
            assert len(await api.pages("/numbers")) == 1
    assert len(server.asked) == 1


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with small_server(lambda asked: Told(b"[1]")) as proxy:
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with api_at("http://forge.test") as api:
            assert await (await api.get("/numbers")).read(NUMBERS) == [1]
    assert [asked.path for asked in proxy.asked] == ["http://forge.test/numbers"]
