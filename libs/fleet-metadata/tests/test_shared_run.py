"""One run for all who ask at the same time."""

import asyncio
import gc
from time import monotonic

import pytest
from made_collectors import until

from fleet_metadata.freshness.shared_run import SharedRun


class Work:
    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.started += 1
        number = self.started
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return number


@pytest.fixture
def work() -> Work:
    return Work()


async def test_all_who_ask_at_the_same_time_share_a_run_and_who_comes_later_has_another(work: Work) -> None:
    run = SharedRun(work, 60)
    asked = [asyncio.create_task(run.result()) for _ in range(100)]
    await until(lambda: work.started)
    late = asyncio.create_task(run.result())
    work.go.set()
    assert set(await asyncio.gather(*asked, late)) == {1}
    assert await run.result() == 2


async def test_who_goes_away_does_not_end_it_for_the_others(work: Work) -> None:
    run = SharedRun(work, 60)
    gone, stays = asyncio.create_task(run.result()), asyncio.create_task(run.result())
    await until(lambda: work.started)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    work.go.set()
    assert await stays == 1


async def test_it_is_cancelled_once_when_its_time_is_over(work: Work) -> None:
    run = SharedRun(work, 0.05)
    asked = [asyncio.create_task(run.result()) for _ in range(10)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(result) for result in results} == {"no answer within 0.05 s"}
    assert all(isinstance(result, TimeoutError) for result in results)
    await until(lambda: work.cancelled)
    assert (work.started, work.cancelled) == (1, 1)


async def test_its_time_is_over_too_when_nobody_waits_any_more(work: Work) -> None:
    run = SharedRun(work, 0.05)
    asked = asyncio.create_task(run.result())
    await until(lambda: work.started)
    asked.cancel()
    await until(lambda: work.cancelled)
    assert not run.is_under_way()


async def test_what_it_raises_all_who_asked_hear_of() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("nothing there")

    run = SharedRun(fail, 60)
    results = await asyncio.gather(*(run.result() for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["nothing there"] * 3


async def _fail_when_nobody_asks_any_more() -> None:
    go = asyncio.Event()

    async def fail() -> None:
        await go.wait()
        raise LookupError("nothing there")

    run = SharedRun(fail, 60)
    asked = asyncio.create_task(run.result())
    await until(run.is_under_way)
    asked.cancel()
    go.set()
    await until(lambda: not run.is_under_way())
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_an_error_that_all_who_asked_went_away_from_is_nothing_to_complain_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gc.collect()
    caplog.clear()
    await _fail_when_nobody_asks_any_more()
    # What nobody heard of is told when it is thrown away, and the loop still has what it ran last.
    await asyncio.sleep(0)
    gc.collect()
    assert caplog.text == ""


async def test_a_time_out_of_the_work_itself_is_told_as_that() -> None:
    async def fail() -> None:
        raise TimeoutError("the server's")

    with pytest.raises(TimeoutError, match="the server's"):
        await SharedRun(fail, 60).result()


async def test_one_that_does_not_end_is_waited_for_by_nobody_and_has_no_other_beside_it() -> None:
    go, started = asyncio.Event(), list[int]()

    async def stubborn() -> str:
        started.append(1)
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        return "of old"

    run = SharedRun(stubborn, 0.5)
    with pytest.raises(TimeoutError):
        await run.result()
    asked_at = monotonic()
    try:
        for _ in range(100):
            with pytest.raises(TimeoutError):
                await run.result()
        # A hundred times its time would be fifty seconds.
        assert monotonic() - asked_at < 20
        assert len(started) == 1
    finally:
        go.set()
    await until(lambda: not run.is_under_way())
    await run.result()
    assert len(started) == 2


async def test_what_is_begun_is_for_who_asks_next(work: Work) -> None:
    run = SharedRun(work, 60)
    assert not run.is_under_way()
    run.begin()
    run.begin()
    assert run.is_under_way()
    work.go.set()
    assert await run.result() == 1
    assert not run.is_under_way()


async def test_stopping_ends_it_within_bounds(work: Work) -> None:
    run = SharedRun(work, 60)
    await run.stop(1)
    asked = asyncio.create_task(run.result())
    await until(lambda: work.started)
    await run.stop(1)
    assert work.cancelled == 1
    with pytest.raises(TimeoutError):
        await asked
