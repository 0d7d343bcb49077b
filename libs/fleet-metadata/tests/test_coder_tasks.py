"""What Coder says of the task of the workspace: which of its tasks and chats counts, and what each status means."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from coder_answers import (
    CHAT,
    EARLIER,
    LATER,
    NOON,
    OTHER_WORKSPACE,
    ROOT_CHAT,
    TOKEN,
    WORKSPACE,
    Coder,
    chat,
    fault,
    state,
    task,
    told,
)
from small_server import SmallServer, small_server

from fleet_metadata.collectors.workspace.coder_api import CoderApi
from fleet_metadata.collectors.workspace.coder_tasks import CoderTasks
from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told

AT_WORK = Task(TaskStatus.RUNNING, "Running the tests", "coder")
CHATTING = Task(TaskStatus.RUNNING, "Speed up the import", "coder")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def coder() -> Coder:
    return Coder()


@pytest.fixture
def server(coder: Coder) -> Generator[SmallServer]:
    with small_server(coder) as server:
        yield server


@asynccontextmanager
async def _source(
    server: SmallServer, workspace_id: str = WORKSPACE, **more: Any
) -> AsyncGenerator[CoderTasks]:
    made: dict[str, Any] = {"owner": "ada", "refresh_seconds": 0.0} | more
    source = CoderTasks(CoderApi(server.url, TOKEN), workspace_id, **made)
    try:
        yield source
    finally:
        await source.close()


async def _told(server: SmallServer, workspace_id: str = WORKSPACE) -> Told:
    async with _source(server, workspace_id) as source:
        return await source.read()


def _paths(server: SmallServer) -> list[str]:
    return [urlsplit(asked.path).path for asked in server.asked]


async def test_a_workspace_without_tasks_and_chats_has_none(server: SmallServer) -> None:
    assert await _told(server) == Told()


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("working", "running"),
        ("idle", "idle"),
        ("complete", "completed"),
        ("completed", "completed"),
        ("failure", "failed"),
        ("failed", "failed"),
    ],
)
async def test_a_task_stands_as_its_workspace_reports(
    server: SmallServer, coder: Coder, word: str, status: str
) -> None:
    coder.tasks = [task(current_state=state(word))]
    assert await _told(server) == Told(Task(TaskStatus(status), "Running the tests", "coder"))


@pytest.mark.parametrize(
    ("word", "status"),
    [("pending", "running"), ("initializing", "running"), ("paused", "idle"), ("error", "failed")],
)
async def test_a_task_that_nothing_was_reported_of_stands_as_its_workspace(
    server: SmallServer, coder: Coder, word: str, status: str
) -> None:
    coder.tasks = [task(status=word, current_state=None)]
    assert await _told(server) == Told(Task(TaskStatus(status), "Fix the login", "coder"))


@pytest.mark.parametrize("word", ["active", "unknown", "", "running", "stopped"])
async def test_where_coder_does_not_know_how_it_stands_it_tells_nothing(
    server: SmallServer, coder: Coder, word: str
) -> None:
    coder.tasks = [task(status=word, current_state=None)]
    assert await _told(server) == Told()


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"current_state": state("working", message="")}, "Fix the login"),
        ({"current_state": state("working", message=""), "display_name": ""}, "fix-the-login-1f2e"),
        ({"current_state": {"state": "working"}, "display_name": None, "name": None}, None),
    ],
)
async def test_a_task_is_described_by_what_is_reported_or_its_name_and_never_by_its_prompt(
    server: SmallServer, coder: Coder, changes: dict[str, Any], description: str | None
) -> None:
    coder.tasks = [task(**changes)]
    assert await _told(server) == Told(Task(TaskStatus.RUNNING, description, "coder"))


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", "running"),
        ("running", "running"),
        ("interrupting", "running"),
        ("requires_action", "running"),
        ("waiting", "idle"),
        ("paused", "idle"),
        ("completed", "completed"),
        ("error", "failed"),
    ],
)
async def test_a_chat_stands_as_it_says(server: SmallServer, coder: Coder, word: str, status: str) -> None:
    coder.chats = [chat(status=word)]
    assert await _told(server) == Told(Task(TaskStatus(status), "Speed up the import", "coder"))


async def test_a_chat_is_at_work_while_one_is_that_it_gave_work_to(server: SmallServer, coder: Coder) -> None:
    child = chat(id=ROOT_CHAT, status="running", parent_chat_id=CHAT, root_chat_id=CHAT)
    coder.chats = [chat(status="waiting", children=[child])]
    assert await _told(server) == Told(CHATTING)
    coder.chats = [chat(status="waiting", children=[child | {"status": "waiting"}])]
    assert (await _told(server)).task == Task(TaskStatus.IDLE, "Speed up the import", "coder")


async def test_a_chat_that_got_its_work_from_another_is_told_as_that_one(
    server: SmallServer, coder: Coder
) -> None:
    child = chat(status="waiting", title="A part", parent_chat_id=ROOT_CHAT, root_chat_id=ROOT_CHAT)
    coder.chats = [child | {"updated_at": LATER}, chat(id=ROOT_CHAT)]
    assert await _told(server) == Told(CHATTING)
    coder.chats = coder.chats[:1]
    assert await _told(server) == Told()


@pytest.mark.parametrize(
    ("at", "chat_at", "expected"),
    [(NOON, EARLIER, AT_WORK), (NOON, LATER, CHATTING), (LATER, NOON, AT_WORK), (NOON, NOON, CHATTING)],
)
async def test_the_latest_of_tasks_and_chats_counts(
    server: SmallServer, coder: Coder, at: str, chat_at: str, expected: Task
) -> None:
    coder.tasks, coder.chats = [task(current_state=state("working", at=at))], [chat(updated_at=chat_at)]
    assert await _told(server) == Told(expected)


async def test_times_are_compared_in_whatever_zone_they_are_told(server: SmallServer, coder: Coder) -> None:
    coder.tasks = [task(current_state=state("working", at="2026-11-21T13:30:00+02:00"))]
    coder.chats = [chat(updated_at="2026-11-21T11:31:00Z")]
    assert await _told(server) == Told(CHATTING)


async def test_the_latest_of_several_tasks_counts(server: SmallServer, coder: Coder) -> None:
    coder.tasks = [
        task(current_state=state("idle", "First", EARLIER)),
        task(current_state=state("working", "Third", LATER)),
        task(current_state=state("failure", "Second", NOON)),
    ]
    assert await _told(server) == Told(Task(TaskStatus.RUNNING, "Third", "coder"))


async def test_what_is_of_another_workspace_does_not_count_whatever_it_looks_like(
    server: SmallServer, coder: Coder
) -> None:
    coder.tasks = [
        task(workspace_id=OTHER_WORKSPACE, current_state=state("unheard of")),
        task(workspace_id=None, current_state={}),
        {},
    ]
    coder.chats = [chat(workspace_id=OTHER_WORKSPACE)]
    assert await _told(server) == Told()


async def test_the_workspace_is_known_by_its_id_however_that_is_written(
    server: SmallServer, coder: Coder
) -> None:
    coder.tasks = [task(workspace_id={"uuid": WORKSPACE, "valid": True})]
    assert await _told(server) == Told(AT_WORK)
    assert await _told(server, WORKSPACE.upper()) == Told(AT_WORK)


async def test_a_chat_that_was_put_away_does_not_count(server: SmallServer, coder: Coder) -> None:
    coder.chats = [chat(archived=True)]
    assert await _told(server) == Told()
    coder.routes = ("/api/v2/chats",)
    assert await _told(server) == Told()


def _nothing(path: str) -> Any:
    return None if "chats" in path else {"tasks": None, "count": 0}


async def test_lists_of_nothing_may_be_null(server: SmallServer, coder: Coder) -> None:
    coder.instead = lambda asked: None if "/chats/" in asked.path else told(_nothing(asked.path))
    coder.routes = ()
    assert await _told(server) == Told()


@pytest.mark.parametrize(
    "routes",
    [
        ("/api/v2/tasks",),
        ("/api/experimental/tasks",),
        ("/api/v2/tasks", "/api/experimental/tasks", "/api/experimental/chats"),
    ],
)
async def test_tasks_of_newer_and_older_releases_are_found(
    server: SmallServer, coder: Coder, routes: tuple[str, ...]
) -> None:
    coder.tasks, coder.routes = [task()], routes
    assert await _told(server) == Told(AT_WORK)


@pytest.mark.parametrize(
    "routes",
    [
        ("/api/v2/chats", "/api/v2/chats/by-workspace"),
        ("/api/v2/chats",),
        ("/api/experimental/chats", "/api/experimental/chats/by-workspace"),
        ("/api/experimental/chats",),
    ],
)
async def test_chats_of_newer_and_older_releases_are_found(
    server: SmallServer, coder: Coder, routes: tuple[str, ...]
) -> None:
    coder.chats, coder.routes = [chat(), chat(id=ROOT_CHAT, workspace_id=OTHER_WORKSPACE)], routes
    assert await _told(server) == Told(CHATTING)


async def test_only_the_tasks_of_the_owner_and_the_chats_of_the_workspace_are_asked_for(
    server: SmallServer, coder: Coder
) -> None:
    coder.chats = [chat()]
    await _told(server)
    asked = [urlsplit(asked.path) for asked in server.asked]
    assert [(url.path, parse_qs(url.query)) for url in asked] == [
        ("/api/v2/tasks", {"q": ['owner:"ada"']}),
        ("/api/v2/chats/by-workspace", {"workspace_ids": [WORKSPACE]}),
        (f"/api/v2/chats/{CHAT}", {}),
    ]


async def test_without_an_owner_all_tasks_are_asked_for(server: SmallServer, coder: Coder) -> None:
    coder.tasks = [task()]
    async with _source(server, owner=None) as source:
        assert await source.read() == Told(AT_WORK)
    assert server.asked[0].path == "/api/v2/tasks"


async def test_the_route_that_answered_is_asked_first_and_one_that_nobody_knows_again_after_a_minute(
    server: SmallServer, coder: Coder
) -> None:
    clock, coder.routes, coder.tasks = Clock(), ("/api/experimental/tasks",), [task()]
    async with _source(server, clock=clock) as source:
        await _refreshed(source, server)
        server.asked.clear()
        clock.now += 59
        await _refreshed(source, server)
        assert set(_paths(server)) == {"/api/experimental/tasks"}
        server.asked.clear()
        clock.now += 1
        await _refreshed(source, server)
        assert _paths(server)[:2] == ["/api/experimental/tasks", "/api/v2/chats/by-workspace"]


async def _refreshed(source: CoderTasks, server: SmallServer) -> None:
    """Read until Coder was asked anew, and has answered."""
    before = len(server.asked)
    while len(server.asked) == before:
        await source.read()
        await asyncio.sleep(0.001)
    fetch = source._refreshed._run
    if fetch:
        await fetch


async def test_a_release_may_lose_the_route_that_answered(server: SmallServer, coder: Coder) -> None:
    coder.routes, coder.tasks = ("/api/experimental/tasks",), [task()]
    async with _source(server) as source:
        await _refreshed(source, server)
        coder.routes, coder.tasks = ("/api/v2/tasks",), [task(current_state=state("complete"))]
        await _refreshed(source, server)
        await _refreshed(source, server)
        assert (await source.read()).task == Task(TaskStatus.COMPLETED, "Running the tests", "coder")


@pytest.mark.parametrize("closed", ["tasks", "chats"])
async def test_where_one_of_both_is_closed_to_the_token_the_other_counts_and_a_warning_says_so(
    server: SmallServer, coder: Coder, closed: str
) -> None:
    coder.tasks, coder.chats = [task()], [chat()]
    coder.instead = lambda asked: fault(403) if closed in asked.path else None
    assert await _told(server) == Told(
        CHATTING if closed == "tasks" else AT_WORK,
        "Coder: knows neither tasks nor chats, or does not show them to this token (403)",
    )
