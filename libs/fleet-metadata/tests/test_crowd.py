"""What is at hand for a crowd, and what is read anew for everybody else."""

import asyncio
import gc
from collections.abc import Callable
from time import monotonic

import httpx
import pytest
from told_collectors import Told, client_of

from fleet_metadata.collection import crowd
from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.crowd import CROWD, Crowd
from fleet_metadata.collection.selection import Selection


def numbered(number: int) -> Answer:
    return Answer(b"", f'"{number}"', {}, {}, [], [])


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Collected:
    """Counts collections; they wait until they are let go, and then fail if they are told to."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> Answer:
        self.count += 1
        await self.go.wait()
        if self.fails:
            raise RuntimeError("told to fail")
        return numbered(self.count)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def readers(clock: Clock, collected: Collected) -> Crowd:
    return Crowd(collected, 60.0, clock)


async def read_together(readers: Crowd, number: int) -> set[str]:
    return {answer.etag for answer in await asyncio.gather(*(readers.read() for _ in range(number)))}


async def test_who_asks_alone_gets_a_new_answer_each_time(readers: Crowd) -> None:
    assert [(await readers.read()).etag for _ in range(30)] == [f'"{number}"' for number in range(1, 31)]
    assert readers.shared() is None


async def test_a_hundred_at_once_share_one_collection(readers: Crowd, collected: Collected) -> None:
    assert await read_together(readers, 100) == {'"1"'}
    assert collected.count == 1


@pytest.mark.parametrize(("number", "is_crowd"), [(CROWD - 1, False), (CROWD, True)])
async def test_from_ten_on_it_is_a_crowd(readers: Crowd, number: int, is_crowd: bool) -> None:
    await read_together(readers, number)
    assert (readers.shared() is not None) is is_crowd
    assert (await readers.read()).etag == ('"1"' if is_crowd else '"2"')


async def test_one_who_follows_a_crowd_again_and_again_is_none(
    readers: Crowd, collected: Collected, clock: Clock
) -> None:
    await read_together(readers, 100)
    for _ in range(100):
        clock.now += crowd.SHARED_SECONDS / 50
        await readers.read()
    # For a quarter of a second the answer of the crowd, and from then on one of their own.
    assert collected.count == 1 + 50


async def test_those_whose_collection_failed_are_no_part_of_the_next_crowd(
    readers: Crowd, collected: Collected
) -> None:
    collected.fails = True
    for _ in range(CROWD):
        with pytest.raises(RuntimeError):
            await readers.read()
    collected.fails = False
    await readers.read()
    assert readers.shared() is None


async def test_after_a_failure_nothing_is_left_of_a_crowd_of_long_ago(
    readers: Crowd, collected: Collected, clock: Clock
) -> None:
    await read_together(readers, CROWD)
    clock.now += 3600
    collected.fails = True
    with pytest.raises(RuntimeError):
        await readers.read()
    assert readers.shared() is None


async def test_nothing_older_than_a_quarter_of_a_second_is_shared(
    readers: Crowd, collected: Collected, clock: Clock
) -> None:
    await read_together(readers, 100)
    clock.now += crowd.SHARED_SECONDS
    assert readers.shared() is not None
    clock.now += 0.001
    assert readers.shared() is None


async def test_once_the_crowd_is_gone_each_reader_gets_a_new_answer(readers: Crowd, clock: Clock) -> None:
    await read_together(readers, 100)
    clock.now += 1
    await readers.read()
    assert readers.shared() is None
    assert readers.is_idle() is False
    clock.now += 1
    assert readers.is_idle()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def test_a_crowd_gets_over_http_what_one_reader_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine a quarter of a second may just pass.
    monkeypatch.setattr(crowd, "SHARED_SECONDS", 3600.0)
    git = Told()
    async with client_of(git) as client:
        alone = await client.get("/metadata")

        async def read() -> httpx.Response:
            return await client.get("/metadata")

        answers = await asyncio.gather(*(read() for _ in range(100)))
        after = git.collections
        followed = await client.get("/metadata")
        assert git.collections == after
        known = await client.get("/metadata", headers={"If-None-Match": alone.headers["etag"]})
    for answer in (*answers, followed):
        assert answer.status_code == 200
        assert answer.json()["data"] == alone.json()["data"]
        assert {name: answer.headers[name] for name in alone.headers if name not in OF_ONE_ANSWER} == {
            name: value for name, value in alone.headers.items() if name not in OF_ONE_ANSWER
        }
    assert known.status_code == 304


async def test_one_of_a_crowd_who_asks_for_a_part_gets_that_part() -> None:
    async with client_of(Told()) as client:
        await asyncio.gather(*(client.get("/metadata") for _ in range(100)))
        part = await client.get("/metadata?prefix=git_b")
        whole = await client.get("/metadata")
    assert list(part.json()["data"]) == ["git_branch"]
    assert list(whole.json()["data"]) == ["git_branch", "git_dirty_files"]


def _crowds() -> int:
    gc.collect()
    return sum(isinstance(found, Crowd) for found in gc.get_objects())


async def test_of_any_number_of_selections_those_that_nobody_reads_any_more_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board, before = Board([Told()]), _crowds()
    monkeypatch.setattr(crowd, "SHARED_SECONDS", 3600.0)
    for number in range(150):
        await board.read(Selection(prefix=f"git_{number}"))
    assert _crowds() - before >= 100
    monkeypatch.undo()
    read_at = monotonic()
    await _until(lambda: monotonic() - read_at > crowd.SHARED_SECONDS)
    await board.read()
    assert _crowds() - before == 1


OF_ONE_ANSWER = {"x-request-id", "content-length"}
