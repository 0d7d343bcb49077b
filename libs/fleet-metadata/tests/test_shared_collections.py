"""How fresh an answer is, who shares it, and that nobody waits for what hangs."""

import asyncio
import time
from collections.abc import Callable
from time import monotonic

import pytest
from made_collectors import MadeCollector, MadeRemote, body_of, key_of, logged, state_of, until, value_of

from fleet_metadata import CollectionFailed, NotApplicable, Reading, ValueType
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.selection import EVERYTHING, Selection
from fleet_metadata.collection.sources import DEADLINE_SECONDS

GIT = {"git_branch": "main", "git_commit": "abc"}
WORK = {"work_branch": "a", "work_commit": "b"}


def git(**told: object) -> MadeCollector:
    return MadeCollector(GIT | told, name="git")


async def test_each_reader_who_asks_alone_gets_what_holds_then() -> None:
    made = git()
    board = Board([made])
    for number in range(1, 5):
        made.told = GIT | {"git_branch": f"branch-{number}"}
        assert value_of(await board.read(), "git_branch") == f"branch-{number}"
        assert made.collections == number


async def test_a_hundred_readers_at_once_cause_one_collection_whatever_they_select() -> None:
    made = git()
    made.hang()
    board = Board([made])
    selections = [
        EVERYTHING,
        Selection(prefix="git_"),
        Selection(names=frozenset({"git_branch"})),
        Selection(names=frozenset({"git_commit", "other"})),
        Selection(prefix="git_c"),
    ]
    readers = [asyncio.create_task(board.read(selections[number % 5])) for number in range(100)]
    await until(lambda: made.collections)
    made.go.set()
    answers = await asyncio.gather(*readers)
    assert made.collections == 1
    assert [list(answer.entries) for answer in answers[:5]] == [
        ["git_branch", "git_commit"],
        ["git_branch", "git_commit"],
        ["git_branch"],
        ["git_commit"],
        ["git_commit"],
    ]


async def test_who_asks_after_a_collection_gets_another_one() -> None:
    made = git()
    made.hang()
    board = Board([made])
    readers = [asyncio.create_task(board.read()) for _ in range(5)]
    await until(lambda: made.collections)
    made.told = GIT | {"git_branch": "next"}
    made.go.set()
    assert {value_of(answer, "git_branch") for answer in await asyncio.gather(*readers)} == {"main"}
    assert value_of(await board.read(), "git_branch") == "next"
    assert made.collections == 2


async def test_a_reader_who_is_cancelled_does_not_end_it_for_the_others() -> None:
    made = git()
    made.hang()
    board = Board([made])
    gone, stays = (asyncio.create_task(board.read()) for _ in range(2))
    other = asyncio.create_task(board.read(Selection(prefix="git_")))
    await until(lambda: made.collections)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    made.go.set()
    assert value_of(await stays, "git_branch") == value_of(await other, "git_branch") == "main"
    assert (made.collections, made.cancellations) == (1, 0)


async def test_only_those_who_tell_what_is_selected_are_asked() -> None:
    made, work = git(), MadeCollector(WORK, name="work")
    answer = await Board([made, work]).read(Selection(prefix="work_"))
    assert (made.collections, work.collections) == (0, 1)
    assert [state["name"] for state in answer.states] == ["work"]


async def test_a_list_is_of_the_keys_that_belong_into_one() -> None:
    keys = [key_of("git_branch", in_list=True), key_of("git_commit")]
    answer = await Board([MadeCollector(GIT, *keys, name="git")]).read(Selection(list_only=True))
    assert list(body_of(answer)["data"]) == ["git_branch"]
    assert body_of(answer)["data"]["git_branch"]["schema"]["includeInList"] is True


async def test_one_that_hangs_delays_nobody_beyond_its_deadline_and_keeps_its_last_values(
    skip_ahead: Callable[[float], None],
) -> None:
    made, work = git(), MadeCollector(WORK, name="work")
    board = Board([made, work], deadline_seconds=10)
    await board.read()
    made.hang()
    work.told = WORK | {"work_branch": "fresh"}
    await asyncio.sleep(0.1)
    reading = asyncio.create_task(board.read())
    await until(lambda: made.at_once and work.collections == 2)
    skip_ahead(9)
    await asyncio.sleep(0.01)
    assert not reading.done()
    skip_ahead(1)
    answer = await reading
    state = state_of(answer, "git")
    assert (state["status"], state["error"]) == ("stale", "no answer within 10 s")
    assert state["age_seconds"] >= 0.1
    assert value_of(answer, "git_branch") == "main"
    assert state_of(answer, "work")["status"] == "ok"
    assert value_of(answer, "work_branch") == "fresh"
    await until(lambda: made.cancellations)
    made.go.set()
    assert state_of(await board.read(), "git")["status"] == "ok"


async def test_one_that_hangs_at_first_has_failed_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made = git()
    made.hang()
    answer = await Board([made], deadline_seconds=0.05).read()
    await until(lambda: not made.at_once)
    # That it was cancelled is no fault of its own.
    assert logged(caplog) == []
    assert body_of(answer)["data"] == {}
    assert state_of(answer, "git")["status"] == "failed"
    assert state_of(answer, "git")["age_seconds"] is None


async def test_one_that_swallows_its_cancellation_delays_the_next_not_at_all_and_is_not_started_twice() -> (
    None
):
    made, work = git(), MadeCollector(WORK, name="work")
    board = Board([made, work], deadline_seconds=DEADLINE_SECONDS)
    await board.read()
    made.hang(swallows=True)
    await board.read()
    began = monotonic()
    try:
        answer = [await board.read() for _ in range(50)][-1]
        # Fifty deadlines would be a hundred seconds.
        assert monotonic() - began < 20
        assert state_of(answer, "git")["status"] == "stale"
        assert state_of(answer, "work")["status"] == "ok"
        assert (made.collections, made.at_once) == (2, 1)
    finally:
        made.go.set()
    await until(lambda: made.at_once == 0)
    assert state_of(await board.read(), "git")["status"] == "ok"


async def test_one_that_blocks_everything_makes_an_answer_late_and_not_fail() -> None:
    def block() -> Reading:
        time.sleep(0.3)
        return Reading(GIT)

    answer = await Board([MadeCollector(block, name="git")], deadline_seconds=0.05).read()
    assert state_of(answer, "git")["status"] in {"ok", "failed"}


async def test_what_does_not_apply_is_told_so_and_forgets_its_values() -> None:
    made = git()
    board = Board([made])
    await board.read()
    made.told = NotApplicable("no git repository")
    answer = await board.read()
    assert body_of(answer)["data"] == {}
    assert (state_of(answer, "git")["status"], state_of(answer, "git")["error"]) == (
        "not_applicable",
        "no git repository",
    )
    made.told = CollectionFailed("git broke")
    assert state_of(await board.read(), "git")["status"] == "failed"


async def test_a_failure_keeps_the_last_values_and_says_why() -> None:
    made = git()
    board = Board([made])
    await board.read()
    made.told = CollectionFailed("git broke")
    answer = await board.read()
    assert (state_of(answer, "git")["status"], state_of(answer, "git")["error"]) == ("stale", "git broke")
    assert value_of(answer, "git_branch") == "main"


async def test_what_could_not_be_told_is_told_as_a_warning() -> None:
    made = git()
    made.warnings = ["no reviews: HTTP 403", "no checks: HTTP 403"]
    state = state_of(await Board([made]).read(), "git")
    assert (state["status"], state["error"]) == ("ok", "no reviews: HTTP 403; no checks: HTTP 403")


async def test_one_that_is_disabled_is_not_asked_and_is_closed() -> None:
    made, afar = git(), MadeRemote({"afar_branch": "x", "afar_commit": "y"})
    board = Board([made, afar], disabled=["git", "afar"])
    answer = await board.read()
    assert [state["status"] for state in body_of(answer)["meta"]["collectors"]] == ["disabled"] * 2
    assert body_of(answer)["data"] == {}
    await board.stop()
    assert (made.collections, afar.collections, made.closed, afar.closed) == (0, 0, 1, 1)


async def test_the_keys_that_can_be_asked_for_are_those_of_collectors_that_apply() -> None:
    gone = MadeCollector(NotApplicable("nothing"), name="gone")
    broken = MadeCollector(CollectionFailed("broke"), name="broken")
    board = Board([git(), gone, broken, MadeCollector(WORK, name="work")], disabled=["work"])
    keys = board.keys(await board.read())
    assert list(keys) == ["git_branch", "git_commit", "broken_branch", "broken_commit"]
    assert board.collector_of("gone_branch") is gone
    assert board.collector_of("nobodys") is None


async def test_stopping_ends_what_hangs_within_bounds_and_closes_all() -> None:
    class Stubborn(MadeCollector):
        async def close(self) -> None:
            await super().close()
            await self._wait()

    class Broken(MadeCollector):
        async def close(self) -> None:
            await super().close()
            raise SystemExit(3)

    made = [Stubborn(GIT, name="a"), Broken(GIT, name="b"), git(), MadeRemote(GIT, name="afar")]
    board = Board(made, deadline_seconds=0.05)
    for collector in made:
        collector.hang(swallows=True)
    await board.read()
    began = monotonic()
    await board.stop()
    # One second for what is under way, and one for closing; else it would take for ever.
    assert monotonic() - began < 20
    assert [collector.closed for collector in made] == [1, 1, 1, 1]
    for collector in made:
        collector.go.set()
    await until(lambda: not any(collector.at_once for collector in made))


async def test_the_etag_is_of_the_data_alone() -> None:
    made = git()
    afar = MadeRemote({"afar_number": 1}, key_of("afar_number", ValueType.NUMBER))
    board = Board([made, afar])
    first = await board.read()
    made.warnings = ["another meta"]
    again = await board.read()
    assert body_of(first)["meta"] != body_of(again)["meta"]
    assert first.etag == again.etag
    made.told = CollectionFailed("stale now")
    assert (await board.read()).etag == first.etag
    made.told = GIT | {"git_branch": "other"}
    assert (await board.read()).etag != first.etag
    assert (await board.read(Selection(prefix="git_"))).etag != (await board.read()).etag
