"""A Coder that refuses, is slow, breaks off or lies: a warning, no delay, and no token anywhere."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from coder_answers import CHAT, OTHER_WORKSPACE, TOKEN, WORKSPACE, Coder, chat, fault, state, task, told
from counted_waits import until
from small_server import Asked, SmallServer, small_server
from small_server import Told as Answer

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace import coder_tasks
from fleet_metadata.collectors.workspace.coder_api import LARGEST_ANSWER, CoderApi, _same_host
from fleet_metadata.collectors.workspace.coder_tasks import CoderTasks
from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told

AT_WORK = Task(TaskStatus.RUNNING, "Running the tests", "coder")
WELL_BEYOND = 60.0


@pytest.fixture
def coder() -> Coder:
    return Coder([task()])


@pytest.fixture
def server(coder: Coder) -> Generator[SmallServer]:
    with small_server(coder) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text


@asynccontextmanager
async def _source(url: str, api: CoderApi | None = None, **more: Any) -> AsyncGenerator[CoderTasks]:
    made: dict[str, Any] = {"owner": "ada", "refresh_seconds": 0.0} | more
    source = CoderTasks(api or CoderApi(url, TOKEN), WORKSPACE, **made)
    try:
        yield source
    finally:
        await source.close()


async def _warning(url: str, **more: Any) -> str:
    async with _source(url, **more) as source:
        told = await source.read()
    assert told.task is None
    assert told.warning is not None
    assert told.warning.startswith("Coder: ")
    assert TOKEN not in told.warning
    return told.warning.removeprefix("Coder: ")


@pytest.mark.parametrize(
    ("answer", "warning"),
    [
        (fault(401), "set CODER_SESSION_TOKEN to a session token"),
        (fault(403), "knows neither tasks nor chats, or does not show them to this token (403)"),
        (fault(404), "knows neither tasks nor chats, or does not show them to this token (404)"),
        (fault(400), "(400)"),
        (fault(410), "(410)"),
        (fault(429), "rate limited (429)"),
        (fault(418), "answers 418"),
        (fault(500), "answers 500"),
        (Answer(b"<html>Bad gateway</html>", 502), "answers 502"),
        (Answer(b"", 304), "answers 304"),
        (Answer(b"<html>Sign in</html>"), "is not JSON"),
        (Answer(b'{"tasks": ['), "is not JSON"),
        (Answer(b""), "is not JSON"),
        (Answer(b"\xff\xfe{"), "is not JSON"),
        (Answer(b"[" * 100_000), "is not JSON"),
        (told("tasks"), "is no list of tasks"),
        (told({"tasks": {"one": 1}}), "is no list of tasks"),
        (told({"tasks": [task(), "another"]}), "is no list of tasks"),
        (told([1, 2]), "is no list of tasks"),
        (told([]), "is no list of tasks"),
        (told({}), "is no list of tasks"),
        (fault(200), "is no list of tasks"),
        (told({"tasks": [task(current_state={"state": 7})]}), "is not understood"),
        (told({"tasks": [task(current_state={})]}), "is not understood"),
        (told({"tasks": [task(current_state=state("working", at="yesterday"))]}), "is not understood"),
        (
            told({"tasks": [task(current_state=state("working", at="2026-11-21T12:00:00"))]}),
            "is not understood",
        ),
        (told({"tasks": [task(name=["a"])]}), "is not understood"),
        (told({"tasks": [task(current_state=state("dreaming"))]}), "is not known here"),
    ],
)
async def test_an_answer_that_is_none_is_told_in_a_warning(
    server: SmallServer, coder: Coder, answer: Answer, warning: str
) -> None:
    coder.instead = lambda _: answer
    assert warning in await _warning(server.url)


@pytest.mark.parametrize(
    ("found", "one", "warning"),
    [
        (["by workspace"], chat(), "is no table of chats"),
        ({OTHER_WORKSPACE: CHAT}, chat(), "is no table of chats"),
        ({WORKSPACE: "../tasks"}, chat(), "is no table of chats"),
        ({WORKSPACE: CHAT}, ["a chat"], "is no table of chats"),
        ({WORKSPACE: CHAT}, chat(root_chat_id="../tasks"), "is no table of chats"),
        ({WORKSPACE: CHAT}, chat(status="dreaming"), "is not known here"),
        ({WORKSPACE: CHAT}, chat(status=None), "is not understood"),
        ({WORKSPACE: CHAT}, chat(title={}), "is not understood"),
        ({WORKSPACE: CHAT}, chat(children=[{}]), "is not understood"),
    ],
)
async def test_chats_that_are_none_are_told_in_a_warning(
    server: SmallServer, coder: Coder, found: Any, one: Any, warning: str
) -> None:
    answers = {"by-workspace": told(found), CHAT: told(one)}
    coder.instead = lambda asked: answers.get(urlsplit(asked.path).path.rpartition("/")[2])
    assert warning in await _warning(server.url)
    assert all("tasks" in asked.path or "chats" in asked.path for asked in server.asked)


async def test_an_answer_may_have_2_mib_and_no_more(server: SmallServer, coder: Coder) -> None:
    whole = json.dumps({"tasks": [task()]}).encode()
    coder.instead = lambda asked: Answer(whole.ljust(LARGEST_ANSWER)) if "tasks" in asked.path else None
    async with _source(server.url) as source:
        assert await source.read() == Told(AT_WORK)
    coder.instead = lambda asked: Answer(whole.ljust(LARGEST_ANSWER + 1)) if "tasks" in asked.path else None
    assert "more than 2 MiB" in await _warning(server.url)


async def test_an_answer_is_asked_for_as_it_is_so_that_its_size_is_known(server: SmallServer) -> None:
    async with _source(server.url) as source:
        await source.read()
    assert {asked.headers["Accept-Encoding"] for asked in server.asked} == {"identity"}
    assert {asked.headers["User-Agent"].partition("/")[0] for asked in server.asked} == {"fleet-metadata"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_not_followed_with_the_token(
    server: SmallServer, coder: Coder, status: int
) -> None:
    with small_server(Coder([task()])) as elsewhere:
        coder.instead = lambda asked: Answer(b"", status, {"Location": elsewhere.url + asked.path})
        assert "redirects to another host" in await _warning(server.url)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("location", "warning"),
    [
        ("ftp://127.0.0.1/tasks", "redirects to another host"),
        ("//other.example/tasks", "redirects to another host"),
        ("/in/a/circle", "redirects in a circle"),
        ("http://[", "redirects to another host"),
        ("http://127.0.0.1:port/", "cannot be reached or broke off"),
    ],
)
async def test_a_redirect_to_nowhere_is_told_in_a_warning(
    server: SmallServer, coder: Coder, location: str, warning: str
) -> None:
    coder.instead = lambda _: Answer(b"", 302, {"Location": location})
    assert warning in await _warning(server.url)


@pytest.mark.parametrize(
    ("old", "new", "follows"),
    [("http", "http", True), ("http", "https", True), ("https", "https", True), ("https", "http", False)],
)
def test_the_token_never_goes_from_a_connection_with_tls_to_one_without(
    old: str, new: str, follows: bool
) -> None:
    asked, redirect = (
        httpx.Request("GET", f"{scheme}://coder.example:8443/api/v2/tasks") for scheme in (old, new)
    )
    if follows:
        assert _same_host(asked, redirect) is redirect
    else:
        with pytest.raises(CollectionFailed, match="redirects to another host"):
            _same_host(asked, redirect)


async def test_a_redirect_on_the_same_host_is_followed(server: SmallServer, coder: Coder) -> None:
    coder.instead = lambda asked: (
        None
        if "api" in asked.path.split("/")[1]
        else Answer(b"", 308, {"Location": asked.path[len("/old") :]})
    )
    async with _source(f"{server.url}/old") as source:
        assert await source.read() == Told(AT_WORK)
    assert server.asked[0].path.startswith("/old/api/v2/tasks?")
    assert {asked.headers["Coder-Session-Token"] for asked in server.asked} == {TOKEN}


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://[bad", "http://", "http://name with spaces", "http://127.0.0.1:99999"],
)
async def test_an_address_that_nobody_answers_at_is_told_in_a_warning(url: str) -> None:
    assert "cannot be reached or broke off" in await _warning(url)


async def test_a_proxy_that_is_none_is_told_in_a_warning(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"unheard-of://user:{TOKEN}@127.0.0.1:1")
    assert "cannot be reached or broke off (ValueError)" in await _warning(server.url)


@pytest.fixture
def goes_on() -> Generator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow(goes_on: threading.Event, coder: Coder) -> Generator[SmallServer]:
    """A Coder that answers when it goes on."""

    def answer(asked: Asked) -> Answer:
        goes_on.wait(WELL_BEYOND)
        return coder(asked)

    with small_server(answer) as server:
        yield server
        goes_on.set()


async def test_a_slow_coder_is_waited_for_less_than_a_second_and_tells_later(
    slow: SmallServer, goes_on: threading.Event, patience: pytest.MonkeyPatch
) -> None:
    patience.undo()
    assert coder_tasks._PATIENCE_SECONDS < 1
    async with _source(slow.url) as source:
        before = monotonic()
        told = await source.read()
        # Who waited for its answer would do so for a minute.
        assert 0.7 < monotonic() - before < 20
        assert told.task is None
        assert (told.warning or "").startswith("Coder: no answer for ")
        goes_on.set()
        until = monotonic() + WELL_BEYOND
        while (await source.read()).task != AT_WORK:
            assert monotonic() < until


async def test_a_coder_that_does_not_answer_at_all_is_given_up(
    slow: SmallServer, skip_ahead: Callable[[float], None]
) -> None:
    warning = asyncio.create_task(_warning(slow.url, api=CoderApi(slow.url, TOKEN, timeout_seconds=10)))
    await until(lambda: slow.asked)
    skip_ahead(10)
    assert await warning == "no answer for 10 s"


async def test_the_end_does_not_wait_for_a_slow_coder(slow: SmallServer) -> None:
    async with _source(slow.url) as source:
        reading = asyncio.create_task(source.read())
        until = monotonic() + WELL_BEYOND
        while not slow.asked:
            assert monotonic() < until
            await asyncio.sleep(0.001)
        before = monotonic()
    assert monotonic() - before < 20
    assert (await reading).task is None


async def test_coder_is_asked_no_more_often_than_it_is_to_be(server: SmallServer) -> None:
    async with _source(server.url, refresh_seconds=3600.0) as source:
        for _ in range(20):
            assert await source.read() == Told(AT_WORK)
        assert sum("tasks" in asked.path for asked in server.asked) == 1


async def test_readers_at_the_same_time_share_one_question(server: SmallServer) -> None:
    async with _source(server.url, refresh_seconds=3600.0) as source:
        assert await asyncio.gather(*(source.read() for _ in range(20))) == [Told(AT_WORK)] * 20
    assert sum("tasks" in asked.path for asked in server.asked) == 1


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [("120", 120), ("999999", 3600), ("soon", 60), ("-5", 60)]
)
async def test_a_rate_limit_is_kept_to(
    server: SmallServer, coder: Coder, retry_after: str, seconds: float
) -> None:
    coder.instead = lambda _: fault(429, headers={"Retry-After": retry_after})
    async with _source(server.url) as source:
        await source.read()
        assert source._refreshed._next - monotonic() == pytest.approx(seconds, abs=29)
        await source.read()
    assert len(server.asked) == 1


async def _until(source: CoderTasks, fits: Callable[[Told], bool]) -> Told:
    until = monotonic() + WELL_BEYOND
    while not fits(told := await source.read()):
        assert monotonic() < until
        await asyncio.sleep(0.001)
    return told


async def test_what_coder_said_last_holds_for_a_while_and_then_no_more(
    server: SmallServer, coder: Coder
) -> None:
    async with _source(server.url, holds_seconds=3600) as source:
        assert await source.read() == Told(AT_WORK)
        coder.instead = lambda _: fault(500)
        assert (await _until(source, lambda told: told.warning is not None)).task == AT_WORK
        source._holds_seconds = 0.5
        gone = await _until(source, lambda told: told.task is None)
        assert gone.warning == "Coder: answers 500: see its log, and check CODER_AGENT_URL"
        coder.instead = lambda _: None
        assert await _until(source, lambda told: told == Told(AT_WORK))


async def test_a_task_that_is_gone_is_no_task(server: SmallServer, coder: Coder) -> None:
    async with _source(server.url) as source:
        assert await source.read() == Told(AT_WORK)
        coder.tasks = []
        assert await _until(source, lambda told: told.task is None) == Told()
