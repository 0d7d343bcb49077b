"""Runs of sources where the database goes away between two steps."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import structlog
from fakes import MemoryRuns
from structlog.testing import capture_logs

from dependency_graph.application.sync import Changes, Source, Sync, Transaction
from dependency_graph.domain.errors import GraphUnavailable, SourceFailed
from dependency_graph.domain.sync_run import RunStatus, SyncRun


class _Meter:
    def __init__(self) -> None:
        self.counted: list[tuple[str, RunStatus]] = []

    def __call__(self, source: str, status: RunStatus, _seconds: float) -> None:
        self.counted.append((source, status))


class _CountedRuns(MemoryRuns):
    asked = 0

    async def histories(self, sources: Collection[str]) -> Mapping[str, Sequence[SyncRun]]:
        self.asked += 1
        return await super().histories(sources)


@pytest.fixture
def meter() -> _Meter:
    return _Meter()


async def _store(transaction: Transaction) -> Changes:
    async with transaction():
        return {"stored": 1}


async def _never(_transaction: Transaction) -> Changes:
    await asyncio.Event().wait()
    return {}


def _sync(runs: MemoryRuns, meter: _Meter, **longest: float) -> Sync:
    sources = [
        Source("store", timedelta(minutes=1), _store),
        Source("never", timedelta(minutes=1), _never),
    ]
    return Sync(sources, runs, meter, **longest)


async def test_a_failure_that_repeats_is_warned_of_once(meter: _Meter) -> None:
    errors = iter(["away", "away", "refused", None, "refused"])

    async def fail(_transaction: Transaction) -> Changes:
        if error := next(errors):
            raise SourceFailed(error)
        return {}

    sync = Sync([Source("failing", timedelta(minutes=1), fail)], MemoryRuns(), meter)
    # A service of an earlier test may have left its level behind.
    structlog.reset_defaults()
    with capture_logs() as logs:
        for _ in range(5):
            await sync.finished(await sync.start("failing"))
    assert [(line["log_level"], line["error"]) for line in logs] == [
        ("warning", "away"),
        ("debug", "away"),
        ("warning", "refused"),
        ("info", None),
        ("warning", "refused"),
    ]


async def test_a_run_is_recorded_counted_and_gives_up_its_turn(meter: _Meter) -> None:
    runs = MemoryRuns()
    sync = _sync(runs, meter)
    run = await sync.finished(await sync.start("store"))
    assert (run.status, run.changes, runs.known["store"]) == (RunStatus.SUCCEEDED, {"stored": 1}, [run])
    assert (meter.counted, runs.taken) == ([("store", RunStatus.SUCCEEDED)], set())


@pytest.mark.parametrize("step", ["transaction", "finish"])
async def test_a_database_that_goes_away_during_a_run_leaves_no_turn_behind(meter: _Meter, step: str) -> None:
    runs = MemoryRuns(step)
    sync = _sync(runs, meter)
    run = await sync.finished(await sync.start("store"))
    assert run.status is (RunStatus.FAILED if step == "transaction" else RunStatus.SUCCEEDED)
    assert (len(meter.counted), runs.taken) == (1, set())


async def test_a_run_that_cannot_begin_leaves_no_turn_behind(meter: _Meter) -> None:
    runs = MemoryRuns("begin")
    with pytest.raises(GraphUnavailable):
        await _sync(runs, meter).start("store")
    assert (meter.counted, runs.taken) == ([], set())


async def test_a_run_that_takes_too_long_is_ended(meter: _Meter) -> None:
    sync = _sync(MemoryRuns(), meter, longest_seconds=0.05)
    run = await sync.finished(await sync.start("never"))
    assert (run.status, "more than 0.05 s" in (run.error or "")) == (RunStatus.FAILED, True)


async def test_a_run_elsewhere_whose_record_is_gone_has_ended(meter: _Meter) -> None:
    run = SyncRun(uuid4(), "store", RunStatus.RUNNING, datetime.now(UTC))
    async with asyncio.timeout(60):
        ended = await _sync(MemoryRuns(), meter).finished(run)
    assert (ended.run_id, ended.status, "no record" in (ended.error or "")) == (
        run.run_id,
        RunStatus.FAILED,
        True,
    )


async def test_a_run_elsewhere_is_not_waited_for_without_end_and_asked_for_ever_less(meter: _Meter) -> None:
    runs = _CountedRuns()
    turn = await runs.take_turn("never")
    assert turn
    running = await turn.begin()
    async with asyncio.timeout(60):
        assert await _sync(runs, meter, longest_wait_seconds=3).finished(running) == running
    # At once, and 0.1, 0.3, 0.7, 1.5, 2.5 and 3.5 seconds later; each tenth of a second would be thirty times.
    assert 2 <= runs.asked <= 7


async def test_a_stop_right_after_the_start_still_records_the_end(meter: _Meter) -> None:
    runs = MemoryRuns()
    sync = _sync(runs, meter)
    await sync.start("never")
    await sync.stop()
    assert [(run.status, "stopped" in (run.error or "")) for run in runs.known["never"]] == [
        (RunStatus.FAILED, True)
    ]
    assert runs.taken == set()
