"""A ToolHive that is not there, goes, comes back, or is slow; and how often it is asked or looked for."""

import asyncio
import json
from collections.abc import Callable, Generator
from pathlib import Path
from time import monotonic

import pytest
from collected_toolhive import IMAGE, UPSTREAM, collector_of, workspace
from counted_waits import Waits
from made_collectors import Clock, MadeCollector, state_of, until, value_of
from toolhive_server import VERSION, WORKLOADS, ToolhiveServer

from fleet_metadata.collection.board import Board
from fleet_metadata.collection.sources import RemoteSource
from fleet_metadata.collection.taken import Status, Taken
from fleet_metadata.collectors.toolhive import ToolhiveCollector
from toolhive_client import Places, ToolhiveClient

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def toolhive() -> Generator[ToolhiveServer]:
    with ToolhiveServer() as server:
        server.add("plain", image=IMAGE)
        yield server


@pytest.fixture(autouse=True)
def discovery_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of this user, who has none yet. Where ToolHive may be, it has more than a second to answer."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("toolhive_client.discovery.search._SECONDS", 30.0)
    return tmp_path / "toolhive" / "server" / "server.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def looking(clock: Clock, *ports: int) -> ToolhiveCollector:
    """One that has to look for its ToolHive: by its discovery file, and on these ports."""
    client = ToolhiveClient(places=Places(url=NOWHERE, ports=ports), sleep=Waits(), clock=clock)
    return ToolhiveCollector(workspace(), client)


def patient(collector: ToolhiveCollector, clock: Clock) -> RemoteSource:
    """One whose answers may be waited for longer than two seconds, which on a busy machine may just pass."""
    return RemoteSource(collector, deadline=60, clock=clock)


async def refreshed(source: RemoteSource, clock: Clock) -> Taken:
    """What is told after another look, five seconds after the last one."""
    clock.now += 5
    await source.read()
    await until(lambda: not source._fetched._under_way())
    return await source.read()


async def test_without_any_toolhive_it_does_not_apply(clock: Clock) -> None:
    source = patient(looking(clock), clock)
    taken = await source.read()
    await source.stop()
    assert (taken.status, taken.values) == (Status.NOT_APPLICABLE, None)
    assert taken.error == (
        f"No ToolHive was found, neither by its discovery file nor at {NOWHERE}; "
        "start one (`thv serve`), or set TOOLHIVE_URL"
    )


async def test_without_any_it_is_looked_for_ever_more_seldom(clock: Clock) -> None:
    with ToolhiveServer() as stranger:
        stranger.fail("*", 404)
        source = patient(looking(clock, stranger.port), clock)
        looks = list[int]()
        for _ in range(60):
            assert (await refreshed(source, clock)).status is Status.NOT_APPLICABLE
            looks.append(stranger.asked[VERSION])
        await source.stop()
    assert looks[3] == 4
    assert looks[-1] - looks[29] == 150 // 30


async def test_one_that_is_said_to_be_somewhere_and_is_not_has_failed(clock: Clock, dead_url: str) -> None:
    source = patient(ToolhiveCollector(workspace(dead_url)), clock)
    taken = await source.read()
    await source.stop()
    assert (taken.status, taken.values) == (Status.FAILED, None)
    assert taken.error == (
        f"ToolHive at {dead_url.removeprefix('http://')} cannot be reached (ConnectError); "
        "check that it runs, and TOOLHIVE_URL"
    )


def announce(toolhive: ToolhiveServer, file: Path) -> None:
    """As ToolHive does when it starts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"url": toolhive.url, "nonce": toolhive.nonce}))


async def test_one_that_stops_and_starts_elsewhere_keeps_its_values_until_then(
    clock: Clock, discovery_file: Path
) -> None:
    source = patient(looking(clock), clock)
    assert (await source.read()).status is Status.NOT_APPLICABLE
    with ToolhiveServer() as first:
        announce(first, discovery_file)
        first.add("plain", image=IMAGE)
        before = await refreshed(source, clock)
    assert before.status is Status.OK
    for seconds in (5, 10, 15):
        away = await refreshed(source, clock)
        assert (away.status, away.values, away.age_seconds) == (Status.STALE, before.values, seconds)
        assert "No ToolHive was found" in (away.error or "")
    with ToolhiveServer(version="v2.0.0") as second:
        announce(second, discovery_file)
        for _ in range(6):
            await refreshed(source, clock)
        after = await source.read()
        await source.stop()
    assert (after.status, after.error) == (Status.OK, None)
    assert after.values
    assert (after.values["toolhive_version"], after.values["toolhive_workloads"]) == ("v2.0.0", [])


async def test_one_that_fails_keeps_its_values_and_says_why(toolhive: ToolhiveServer, clock: Clock) -> None:
    source = patient(collector_of(toolhive), clock)
    before = await source.read()
    toolhive.fail(WORKLOADS, 503)
    after = await refreshed(source, clock)
    assert (after.status, after.values) == (Status.STALE, before.values)
    assert after.error == "ToolHive answered 503; look at its log"
    toolhive.recover()
    assert (await refreshed(source, clock)).status is Status.OK
    await source.stop()


async def test_it_is_asked_at_most_as_often_as_the_settings_say(
    toolhive: ToolhiveServer, clock: Clock
) -> None:
    source = patient(collector_of(toolhive, metadata_refresh_seconds=60), clock)
    await asyncio.gather(*(source.read() for _ in range(100)))
    clock.now += 59.9
    for _ in range(10):
        await source.read()
    assert toolhive.asked == {WORKLOADS: 1, VERSION: 1}
    clock.now += 0.1
    await source.read()
    await until(lambda: toolhive.asked == {WORKLOADS: 2, VERSION: 2})
    await source.stop()


async def test_one_that_is_slow_from_the_start_holds_up_no_answer_beyond_the_deadline(
    toolhive: ToolhiveServer, skip_ahead: Callable[[float], None]
) -> None:
    toolhive.seconds["*"] = 3600
    local = MadeCollector({"made_branch": "main", "made_commit": "abc"})
    board = Board([collector_of(toolhive, metadata_refresh_seconds=1), local], deadline_seconds=10)
    reading = asyncio.create_task(board.read())
    await until(lambda: toolhive.asked and local.collections and not local.at_once)
    assert not reading.done()
    skip_ahead(10)
    answer = await reading
    assert state_of(answer, "toolhive")["status"] == "failed"
    assert value_of(answer, "made_branch") == "main"
    await board.stop()


async def test_a_slow_refresh_delays_nobody(toolhive: ToolhiveServer, clock: Clock) -> None:
    source = RemoteSource(collector_of(toolhive), clock=clock)
    # Again where its two seconds just pass, as they may on a busy machine.
    while (before := await source.read()).status is not Status.OK:
        pass
    toolhive.seconds["*"] = 3600
    clock.now += 5
    started = monotonic()
    for _ in range(100):
        taken = await source.read()
        assert (taken.status, taken.values) == (Status.OK, before.values)
    # A hundred deadlines would be two hundred seconds.
    assert monotonic() - started < 20
    clock.now += 2
    overdue = await source.read()
    assert (overdue.status, overdue.values) == (Status.STALE, before.values)
    assert overdue.error == "no answer for 2 s"
    await source.stop()


async def test_closing_ends_what_is_under_way(toolhive: ToolhiveServer) -> None:
    for number in range(20):
        toolhive.add(f"far-{number}", upstream=UPSTREAM)
    toolhive.seconds[f"{WORKLOADS}/*"] = 3600
    source = RemoteSource(collector_of(toolhive))
    reading = asyncio.create_task(source.read())
    await until(lambda: toolhive.asked.total() == 22)
    await source.stop()
    await reading
    await source.read()
    assert toolhive.asked.total() == 22
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_one_that_was_never_asked_is_closed_all_the_same() -> None:
    await ToolhiveCollector(workspace()).close()
