import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ci_storage import DIALECTS, FAILED_TESTS, PASSED, claim, claimed, migrated_database, opened, run, submit
from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

from ci_server.domain.course import Outcome, could_not_start
from ci_server.domain.errors import AttemptNotFound, ClaimLost, JobHasEnded, JobHasNotEnded, JobNotFound
from ci_server.domain.job import JobSpec, Results, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.job_store_queue import select_next, select_positions

EVERYTHING = JobSpec(
    command="pytest -k 'ä'",
    image="python:3.13",
    timeout=60,
    memory=8 * 1024**3,
    cpus=0.5,
    priority=-7,
    network=True,
    webhook="https://example.com/hook",
    artifacts=("*.xml", "htmlcov/**"),
    branch="main",
    commit="0f" * 20,
    env={"A": "1", "B": "ü\n"},
)


@pytest.fixture(params=DIALECTS)
def url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
) -> Generator[str]:
    with migrated_database(request.param, tmp_path, create_database, drop_database) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with opened(url) as database:
        yield database


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


async def test_a_job_is_kept_as_it_was_submitted(store: JobStore) -> None:
    assert all(getattr(EVERYTHING, field.name) != getattr(JobSpec(), field.name) for field in fields(JobSpec))
    job_id = uuid4().hex
    before = datetime.now(UTC)
    submitted = await store.submit(job_id, "ann", EVERYTHING)
    assert submitted == await store.find(job_id) == await store.find(job_id, "ann")
    assert submitted.spec == EVERYTHING
    assert submitted.submitted_time == submitted.attempt.queued_time
    assert submitted.submitted_time
    assert before <= submitted.submitted_time <= datetime.now(UTC)
    assert (await submit(store)).spec == JobSpec()


async def test_times_have_their_zone(store: JobStore) -> None:
    job = await run(store)
    times = (job.submitted_time, job.attempt.queued_time, job.attempt.start_time, job.attempt.end_time)
    assert [time and time.tzinfo for time in times] == [UTC] * 4


@pytest.mark.parametrize("job_id", ["", "0" * 32, "a\x00b", "\ud800", "%"], ids=ascii)
async def test_a_job_that_is_not_there_is_not_found(store: JobStore, job_id: str) -> None:
    await submit(store)
    for looking in (store.find(job_id), store.cancel(job_id, "ann"), store.retry(job_id, "ann")):
        with pytest.raises(JobNotFound):
            await looking
    with pytest.raises(AttemptNotFound):
        await store.attempt(job_id, 1)
    assert await store.delete(job_id) is False


async def test_the_job_of_another_user_is_not_found(store: JobStore) -> None:
    job = await submit(store)
    for other in ("bob", "", "ann\x00"):
        with pytest.raises(JobNotFound):
            await store.find(job.job_id, other)


async def test_a_job_goes_its_whole_course(store: JobStore) -> None:
    submitted = await submit(store)
    job = await store.claim("host-1", "container")
    assert job
    assert job.job_id == submitted.job_id
    assert (job.attempt.status, job.attempt.host, job.attempt.runner) == (
        Status.RUNNING,
        "host-1",
        "container",
    )
    assert job.attempt.start_time
    assert job.attempt.log_base is None
    assert await claim(store) is None
    job = await store.prepared(job, 5 * 1024**3)
    assert (job.attempt.log_base, job.attempt.started) == (5 * 1024**3, False)
    job = await store.started(job)
    assert job.attempt.started
    assert await store.running() == [job]
    outcome = Outcome(Status.COMPLETED, False, 1, "why", Results(1, 2, 3, 4, 5.5))
    ended = await store.finish(job, outcome)
    assert ended == await store.find(job.job_id)
    assert ended.attempt.results == outcome.results
    assert (ended.attempt.status, ended.attempt.success) == (Status.COMPLETED, False)
    assert (ended.attempt.exit_code, ended.attempt.reason) == (1, "why")
    assert ended.attempt.end_time
    assert await store.running() == []


async def test_a_retry_is_the_next_attempt_and_leaves_the_earlier_one(store: JobStore) -> None:
    first = await run(store, could_not_start("no such image"), branch="main")
    second = await store.retry(first.job_id, "ann")
    assert second == await store.find(first.job_id)
    assert (second.attempt.number, second.attempt.status) == (2, Status.QUEUED)
    assert (second.attempt.success, second.attempt.host, second.attempt.started) == (None, None, False)
    assert (second.spec, second.submitted_time) == (first.spec, first.submitted_time)
    assert await store.attempt(first.job_id, 1) == first.attempt
    assert await store.attempt(first.job_id, 2) == second.attempt
    with pytest.raises(AttemptNotFound):
        await store.attempt(first.job_id, 3)
    assert (await claimed(store)).attempt.number == 2


async def test_only_what_has_ended_is_retried(store: JobStore) -> None:
    job = await submit(store)
    with pytest.raises(JobHasNotEnded, match="is queued"):
        await store.retry(job.job_id, "ann")
    await claim(store)
    with pytest.raises(JobHasNotEnded, match="is running"):
        await store.retry(job.job_id, "ann")


async def test_what_is_queued_is_cancelled_at_once(store: JobStore) -> None:
    job = await submit(store)
    cancelled = await store.cancel(job.job_id, "bob", "too late")
    assert (cancelled.attempt.status, cancelled.attempt.success) == (Status.CANCELLED, False)
    assert cancelled.attempt.reason == "Cancelled by bob: too late"
    assert cancelled.attempt.end_time
    assert await claim(store) is None
    with pytest.raises(JobHasEnded, match="is cancelled"):
        await store.cancel(job.job_id, "bob")


async def test_what_is_running_is_marked_by_the_first_who_wants_it_cancelled(store: JobStore) -> None:
    await submit(store)
    job = await claimed(store)
    first = await store.cancel(job.job_id, "bob")
    assert (first.attempt.status, first.attempt.cancel_wanted) == (Status.RUNNING, "Cancelled by bob.")
    assert await store.cancel(job.job_id, "carol", "me too") == first


async def test_nothing_more_happens_to_an_attempt_that_has_ended(store: JobStore) -> None:
    ended = await run(store)
    for late in (store.prepared(ended, 1), store.started(ended), store.finish(ended, FAILED_TESTS)):
        with pytest.raises(ClaimLost):
            await late
    assert await store.find(ended.job_id) == ended


async def test_nothing_happens_to_a_later_attempt_by_who_has_an_earlier_one(store: JobStore) -> None:
    first = await run(store)
    await store.retry(first.job_id, "ann")
    second = await claimed(store)
    for late in (store.prepared(first, 1), store.started(first), store.finish(first, PASSED)):
        with pytest.raises(ClaimLost):
            await late
    assert await store.find(first.job_id) == second


async def test_what_is_not_claimed_cannot_end(store: JobStore) -> None:
    job = await submit(store)
    with pytest.raises(ClaimLost):
        await store.finish(job, PASSED)
    with pytest.raises(ClaimLost):
        await store.finish(replace(job, job_id=uuid4().hex), PASSED)


async def test_preparing_again_may_not_move_the_base_of_the_log(store: JobStore) -> None:
    await submit(store)
    job = await claimed(store)
    with pytest.raises(ClaimLost):
        await store.started(job)
    prepared = await store.prepared(job, 10)
    assert await store.prepared(job, 10) == prepared
    with pytest.raises(ClaimLost):
        await store.prepared(job, 11)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
async def test_a_job_ends_with_an_end_only(store: JobStore, status: Status) -> None:
    await submit(store)
    with pytest.raises(ValueError, match=f"{status} is no end"):
        await store.finish(await claimed(store), Outcome(status, True))


async def test_users_take_turns_whatever_they_have_queued(store: JobStore) -> None:
    first = [(await submit(store, "ann")).job_id for _ in range(3)]
    late = (await submit(store, "bob")).job_id
    order = [first[0], late, first[1], first[2]]
    assert await store.positions() == {job_id: place for place, job_id in enumerate(order, start=1)}
    assert [(await claimed(store)).job_id for _ in order] == order


async def test_who_has_less_running_is_next(store: JobStore) -> None:
    for _ in range(3):
        await submit(store, "ann")
    await claimed(store)
    await claimed(store)
    bobs = [(await submit(store, "bob")).job_id for _ in range(2)]
    assert [(await claimed(store)).job_id for _ in bobs] == bobs


async def test_priority_counts_among_the_jobs_of_a_user_alone(store: JobStore) -> None:
    low = (await submit(store, "ann", priority=-1)).job_id
    bobs = (await submit(store, "bob")).job_id
    high = (await submit(store, "ann", priority=5)).job_id
    assert [(await claimed(store)).job_id for _ in range(3)] == [bobs, high, low]


async def test_a_user_has_no_more_running_than_they_may(store: JobStore) -> None:
    for user in ("ann", "ann", "ann", "bob"):
        await submit(store, user)
    users = [job and job.user for job in [await claim(store, 2) for _ in range(4)]]
    assert users == ["ann", "bob", "ann", None]
    ended = next(job for job in await store.running() if job.user == "ann")
    await store.finish(ended, PASSED)
    assert (await claim(store, 2)) is not None


async def test_users_are_counted(store: JobStore) -> None:
    await run(store, user="bob")
    latest = await submit(store, "bob")
    await submit(store, "ann")
    ann, bob = await store.users()
    assert (ann.name, ann.jobs) == ("ann", {Status.QUEUED: 1})
    assert (bob.name, bob.jobs) == ("bob", {Status.COMPLETED: 1, Status.QUEUED: 1})
    assert bob.latest == latest.submitted_time


async def test_jobs_are_counted_by_the_status_they_have_now(store: JobStore) -> None:
    for _ in range(2):
        await store.retry((await run(store)).job_id, "ann")
        await store.finish(await claimed(store), FAILED_TESTS)
    await submit(store)
    counts = await store.counts()
    assert counts == dict.fromkeys(Status, 0) | {Status.COMPLETED: 2, Status.QUEUED: 1}
    assert await store.counts([Status.QUEUED, Status.RUNNING]) == {Status.QUEUED: 1, Status.RUNNING: 0}


async def test_only_what_has_ended_is_deleted(store: JobStore) -> None:
    ended = await run(store, webhook="http://127.0.0.1/")
    await submit(store)
    running, queued = await claimed(store), await submit(store)
    assert [await store.delete(job.job_id) for job in (running, queued, ended, ended)] == [
        False,
        False,
        True,
        False,
    ]
    assert await store.known([running.job_id, queued.job_id, ended.job_id]) == {
        running.job_id,
        queued.job_id,
    }
    with pytest.raises(AttemptNotFound):
        await store.attempt(ended.job_id, 1)


async def test_what_has_ended_is_known_by_age(database: Database) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(100))
    store = JobStore(database, lambda: next(moments))
    first, second = await run(store), await run(store)
    await submit(store)
    assert await store.ended() == [first.job_id, second.job_id]
    assert await store.ended(second.attempt.end_time) == [first.job_id]


async def test_a_job_submitted_twice_is_there_once(store: JobStore) -> None:
    job = await submit(store)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.submit(job.job_id, "bob", JobSpec())
    assert await store.find(job.job_id) == job


async def test_a_submission_that_is_broken_off_leaves_nothing(store: JobStore) -> None:
    task = asyncio.ensure_future(store.submit(uuid4().hex, "ann", JobSpec()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.counts() == dict.fromkeys(Status, 0)
    await submit(store)


@pytest.mark.parametrize("query", [select_next(2), select_positions()], ids=["next", "positions"])
def test_sqlite_finds_the_queue_by_its_index(
    query: Select[*tuple[Any, ...]],
    tmp_path: Path,
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
) -> None:
    sql = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with (
        migrated_database("sqlite", tmp_path, create_database, drop_database) as url,
        closing(sqlite3.connect(Database(url).file)) as connection,
    ):
        plan = connection.execute("EXPLAIN QUERY PLAN " + sql.replace("ci.", "")).fetchall()
    scans = [step for *_, step in plan if step.startswith("SCAN attempts")]
    assert scans
    assert all("attempts_active" in step for step in scans)
