"""How much the cache of finished messages holds; what it answers is tested through the API."""

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from starlette.types import Message, Receive, Scope, Send

from dependency_graph.api.answer_cache import _OVERHEAD_BYTES, AnswerCache
from dependency_graph.api.etag import etag_of
from dependency_graph.application.queries import GraphVersion

AT_SEVEN = GraphVersion(UUID(int=7), 7)
BODY = b"x" * 5000
SIZE = len("/a/dependencieslimit=1") + len(BODY) + _OVERHEAD_BYTES


class CountedApp:
    """Answers everything with the same body, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        tag = (b"etag", etag_of(AT_SEVEN, scope["path"]).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [tag]})
        await send({"type": "http.response.body", "body": BODY})


class At:
    def __init__(self, version: GraphVersion) -> None:
        self._version = version

    async def version(self) -> GraphVersion:
        return self._version


async def _nothing() -> Message:
    raise AssertionError


async def _ask(cache: AnswerCache, query: str, at: GraphVersion = AT_SEVEN) -> bytes:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/a/dependencies", "headers": []}
    scope |= {"query_string": query.encode(), "state": {"resources": SimpleNamespace(reader=At(at))}}
    await cache(scope, _nothing, send)
    return sent[1]["body"]


async def test_it_holds_so_many_bytes_and_the_least_recently_asked_goes_first() -> None:
    app, hits = CountedApp(), list[str]()
    cache = AnswerCache(app, lambda: hits.append("hit"), cached_bytes=3 * SIZE)
    for limit in (1, 2, 3, 1, 4, 1, 3, 2):
        assert await _ask(cache, f"limit={limit}") == BODY
    # 1, 2, 3 and 4 are asked of the app; then 2, which had to go for 4, is again.
    assert (app.asked, len(hits)) == (5, 3)
    assert cache._answers.currsize == 3 * SIZE


@pytest.mark.parametrize(("spare", "asked"), [(0, 1), (-1, 2)])
async def test_an_answer_larger_than_all_the_room_is_given_and_not_kept(spare: int, asked: int) -> None:
    app = CountedApp()
    cache = AnswerCache(app, cached_bytes=SIZE + spare)
    assert [await _ask(cache, "limit=1") for _ in range(2)] == [BODY, BODY]
    assert app.asked == asked


async def test_the_body_is_kept_as_the_object_that_it_is() -> None:
    """So that an answer is in memory once, though two caches hold it."""
    cache = AnswerCache(CountedApp())
    assert await _ask(cache, "limit=1") is BODY
    assert await _ask(cache, "limit=1") is BODY


@pytest.mark.parametrize(
    "other", [GraphVersion(AT_SEVEN.revision, 70), GraphVersion(uuid4(), 7), GraphVersion(uuid4(), 8)]
)
async def test_an_answer_is_given_again_at_its_own_version_only(other: GraphVersion) -> None:
    app = CountedApp()
    cache = AnswerCache(app)
    for asked, at in ((1, AT_SEVEN), (1, AT_SEVEN), (2, other)):
        await _ask(cache, "limit=1", at)
        assert app.asked == asked
