"""When a source runs next."""

from datetime import timedelta
from uuid import uuid4

import pytest
from factories import NOON

from dependency_graph.domain.sync_run import RunStatus, SyncRun, next_run

QUARTER = timedelta(minutes=15)
LASTED = timedelta(seconds=4)


def _run(status: RunStatus) -> SyncRun:
    ended = None if status is RunStatus.RUNNING else NOON + LASTED
    return SyncRun(uuid4(), "staleness", status, NOON, ended)


FAILED, SUCCEEDED, RUNNING = map(_run, (RunStatus.FAILED, RunStatus.SUCCEEDED, RunStatus.RUNNING))


def test_a_source_that_never_ran_has_no_time() -> None:
    assert next_run([], QUARTER) is None


@pytest.mark.parametrize("last", [SUCCEEDED, RUNNING])
def test_after_a_success_a_source_runs_an_interval_after_the_start(last: SyncRun) -> None:
    assert next_run([last, FAILED, FAILED], QUARTER) == NOON + QUARTER


@pytest.mark.parametrize(("failures", "seconds"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (50, 900)])
def test_each_failure_doubles_the_wait_up_to_the_interval(failures: int, seconds: int) -> None:
    history = [FAILED] * failures + [SUCCEEDED, FAILED]
    assert next_run(history, QUARTER) == NOON + LASTED + timedelta(seconds=seconds)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 30), (2, 45), (50, 45)])
def test_a_source_may_be_tried_again_sooner_than_its_interval(failures: int, seconds: int) -> None:
    at = next_run([FAILED] * failures, timedelta(days=1), longest_backoff=timedelta(seconds=45))
    assert at == NOON + LASTED + timedelta(seconds=seconds)
    assert next_run([SUCCEEDED], timedelta(days=1), timedelta(seconds=45)) == NOON + timedelta(days=1)


def test_a_run_whose_end_nobody_saw_counts_from_its_start() -> None:
    assert next_run([RUNNING.failed("interrupted")], QUARTER) == NOON + timedelta(seconds=30)


def test_a_run_tells_how_long_it_took() -> None:
    assert (SUCCEEDED.duration_seconds, RUNNING.duration_seconds) == (4.0, None)
