"""Which runs the leader starts, and when."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from dependency_graph.application.sync import Changes, Source, Sync, Transaction
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.schedule import Schedule
from dependency_graph.infrastructure.sync_metrics import count_run
from dependency_graph.infrastructure.sync_runs import PostgresSyncRuns

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=300)
WITHIN_SECONDS = 60
_RAN = text(
    "INSERT INTO graph.sync_runs (id, source, status, started_at, finished_at) VALUES "
    "(gen_random_uuid(), 'counted', :status, now() - CAST(:ago AS interval), now() - CAST(:ago AS interval))"
)


class _Counted:
    """A source that counts its runs; the first ones fail."""

    def __init__(self, failures: int = 0) -> None:
        self.runs = 0
        self._failures = failures
        self._ran = asyncio.Condition()

    async def run(self, _transaction: Transaction) -> Changes:
        self.runs += 1
        async with self._ran:
            self._ran.notify_all()
        if self.runs <= self._failures:
            raise SourceFailed("not yet")
        return {}

    async def wait_for(self, runs: int) -> None:
        async with self._ran, asyncio.timeout(WITHIN_SECONDS):
            await self._ran.wait_for(lambda: self.runs >= runs)


@pytest.fixture
async def scheduled(database: Database) -> AsyncGenerator[Callable[..., Schedule]]:
    """Starts a schedule of the sources given."""
    started: list[tuple[Schedule, Sync]] = []

    def start(*sources: Source) -> Schedule:
        sync = Sync(sources, PostgresSyncRuns(database), count_run)
        started.append((Schedule(sync), sync))
        started[-1][0].start()
        return started[-1][0]

    yield start
    for schedule, sync in started:
        schedule.stop()
        await sync.stop()


@pytest.fixture
def counted() -> _Counted:
    return _Counted()


async def _ran(database: Database, status: str, ago: timedelta) -> None:
    async with database.write() as connection:
        await connection.execute(_RAN, {"status": status, "ago": ago})


async def _rounds_of_another(scheduled: Callable[..., Schedule], *sources: Source) -> None:
    """Start `sources`, and wait until one beside them was run thrice."""
    other = _Counted()
    scheduled(Source("other", SOON, other.run), *sources)
    await other.wait_for(3)


async def test_a_source_that_never_ran_runs_at_once_and_then_each_interval(
    scheduled: Callable[..., Schedule], counted: _Counted
) -> None:
    scheduled(Source("counted", SOON, counted.run))
    await counted.wait_for(3)


async def test_a_restart_does_not_repeat_a_run(
    scheduled: Callable[..., Schedule], counted: _Counted, database: Database
) -> None:
    await _ran(database, "succeeded", HOUR - timedelta(minutes=1))
    await _rounds_of_another(scheduled, Source("counted", HOUR, counted.run))
    assert counted.runs == 0


async def test_a_restart_does_not_skip_a_run_that_is_due(
    scheduled: Callable[..., Schedule], counted: _Counted, database: Database
) -> None:
    await _ran(database, "succeeded", HOUR)
    await _rounds_of_another(scheduled, Source("counted", HOUR, counted.run))
    await counted.wait_for(1)
    assert counted.runs == 1


@pytest.mark.parametrize(("seconds", "runs"), [(5, 0), (31, 1)])
async def test_a_failed_run_is_tried_again_after_half_a_minute(
    scheduled: Callable[..., Schedule], counted: _Counted, database: Database, seconds: int, runs: int
) -> None:
    await _ran(database, "failed", timedelta(seconds=seconds))
    await _rounds_of_another(scheduled, Source("counted", HOUR, counted.run))
    await counted.wait_for(runs)
    assert counted.runs == runs


async def test_a_source_that_fails_goes_on_being_tried(scheduled: Callable[..., Schedule]) -> None:
    failing = _Counted(failures=2)
    scheduled(Source("failing", SOON, failing.run))
    await failing.wait_for(4)


async def test_what_is_not_configured_or_has_no_interval_or_waits_at_first_is_not_run(
    scheduled: Callable[..., Schedule], counted: _Counted, database: Database
) -> None:
    await _rounds_of_another(
        scheduled,
        Source("unset", SOON, counted.run, missing="PROMETHEUS_URL is not set"),
        Source("by request", None, counted.run),
        Source("later", SOON, counted.run, first_after=HOUR),
    )
    async with database.read() as connection:
        known = await connection.scalars(text("SELECT DISTINCT source FROM graph.sync_runs"))
        assert known.all() == ["other"]


async def test_after_a_stop_nothing_is_run(scheduled: Callable[..., Schedule], counted: _Counted) -> None:
    schedule = scheduled(Source("counted", SOON, counted.run))
    await counted.wait_for(1)
    schedule.stop()
    runs = counted.runs
    other = _Counted()
    scheduled(Source("other", SOON, other.run))
    await other.wait_for(4)
    assert counted.runs <= runs + 1
    schedule.start()
    await counted.wait_for(runs + 2)
