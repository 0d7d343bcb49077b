"""Of two that want the same, one gets it: each store has connections of its own, as in another process."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from ci_storage import (
    DIALECTS,
    FAILED_TESTS,
    PASSED,
    claim,
    claimed,
    migrated_database,
    opened,
    run,
    submit,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ci_server.domain.errors import ClaimLost, JobHasEnded, JobHasNotEnded, JobNotFound
from ci_server.domain.job import ENDED, Job, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore

STORES = 20
ROUNDS = 15

REFUSED = (ClaimLost, JobHasEnded, JobHasNotEnded, JobNotFound)


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
async def stores(url: str) -> AsyncGenerator[Sequence[JobStore]]:
    async with AsyncExitStack() as stack:
        yield [JobStore(await stack.enter_async_context(opened(url))) for _ in range(STORES)]


async def outcomes(*steps: Awaitable[object]) -> Sequence[object]:
    """What each comes to when all go at once: a result, or why it was refused. Anything else is raised."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, REFUSED):
            raise result
    return results


async def test_no_job_is_claimed_twice(stores: Sequence[JobStore]) -> None:
    submitted = {(await submit(stores[0], f"user-{number % 4}")).job_id for number in range(3 * STORES)}

    async def claim_all(store: JobStore) -> Sequence[Job]:
        return [job async for job in _claims(store)]

    found = await asyncio.gather(*(claim_all(store) for store in stores))
    ids = [job.job_id for jobs in found for job in jobs]
    assert len(ids) == len(submitted)
    assert set(ids) == submitted


async def _claims(store: JobStore) -> AsyncGenerator[Job]:
    while job := await claim(store):
        yield job


async def test_no_user_gets_more_than_they_may_from_many_at_once(stores: Sequence[JobStore]) -> None:
    for number in range(STORES):
        await submit(stores[0], "ab"[number % 2])
    found = await asyncio.gather(*(claim(store, 3) for store in stores))
    assert Counter(job.user for job in found if job) == {"a": 3, "b": 3}


class Hesitant(Database):
    """Does not commit before it may."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.hesitates, self.may = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        async with super().write() as connection:
            yield connection
            self.hesitates.set()
            await self.may.wait()


async def test_a_claim_that_is_not_committed_yet_counts_for_its_user(
    url: str, stores: Sequence[JobStore]
) -> None:
    await submit(stores[0], "ann")
    database = Hesitant(url)

    async def submit_and_claim() -> Job | None:
        await submit(stores[1], "ann", priority=1)
        return await claim(stores[1], 1)

    first = asyncio.create_task(claim(JobStore(database), 1))
    await database.hesitates.wait()
    second = asyncio.create_task(submit_and_claim())
    done, _ = await asyncio.wait([second], timeout=0.5)
    assert not done
    database.may.set()
    assert await first
    assert await second is None
    await database.close()


async def test_a_job_is_cancelled_before_it_is_claimed_or_after(stores: Sequence[JobStore]) -> None:
    for turn in range(ROUNDS):
        job = await submit(stores[0])
        steps = [claim(stores[0]), stores[1].cancel(job.job_id, "ann")]
        await outcomes(*(steps[::-1] if turn % 2 else steps))
        attempt = (await stores[0].find(job.job_id)).attempt
        taken = [running.job_id for running in await stores[0].running()]
        if attempt.status is Status.CANCELLED:
            assert (attempt.start_time, taken) == (None, [])
        else:
            assert (attempt.status, attempt.cancel_wanted) == (Status.RUNNING, "Cancelled by ann.")
            await stores[0].finish(job, FAILED_TESTS)


async def test_an_end_that_was_written_is_not_cancelled(stores: Sequence[JobStore]) -> None:
    for turn in range(ROUNDS):
        await submit(stores[0])
        job = await claimed(stores[0])
        steps: list[Awaitable[object]] = [stores[0].finish(job, PASSED), stores[1].cancel(job.job_id, "ann")]
        await outcomes(*(steps[::-1] if turn % 2 else steps))
        attempt = (await stores[0].find(job.job_id)).attempt
        assert (attempt.status, attempt.success) == (Status.COMPLETED, True)


async def test_a_job_ends_once(stores: Sequence[JobStore]) -> None:
    for _ in range(ROUNDS):
        await submit(stores[0])
        job = await claimed(stores[0])
        ends = [PASSED, FAILED_TESTS] * 3
        found = await outcomes(*(store.finish(job, end) for store, end in zip(stores, ends, strict=False)))
        winners = [result for result in found if isinstance(result, Job)]
        assert winners == [await stores[0].find(job.job_id)]


async def test_a_job_is_retried_once(stores: Sequence[JobStore]) -> None:
    for _ in range(ROUNDS):
        job = await run(stores[0])
        found = await outcomes(*(store.retry(job.job_id, "ann") for store in stores[:6]))
        assert [result for result in found if isinstance(result, Job)] == [await stores[0].find(job.job_id)]
        assert (await claimed(stores[0])).attempt.number == 2
        await stores[0].finish(await stores[0].find(job.job_id), PASSED)


async def test_a_job_is_deleted_or_retried(stores: Sequence[JobStore]) -> None:
    for turn in range(ROUNDS):
        job = await run(stores[0])
        steps: list[Awaitable[object]] = [stores[0].delete(job.job_id), stores[1].retry(job.job_id, "ann")]
        results = await outcomes(*(steps[::-1] if turn % 2 else steps))
        deleted = True in results
        assert deleted != any(isinstance(result, Job) for result in results)
        assert (await stores[0].known([job.job_id]) == set()) is deleted
        while left := await claim(stores[0]):
            await stores[0].finish(left, PASSED)


async def test_whatever_goes_on_at_once_nothing_is_won_twice(stores: Sequence[JobStore]) -> None:
    jobs = [await submit(stores[0], "ab"[number % 2], webhook="http://127.0.0.1/") for number in range(6)]
    won = Counter[tuple[str, str, int]]()
    await asyncio.gather(*(_do_anything(store, jobs, won, seed) for seed, store in enumerate(stores[:8])))
    assert {what for what, _, _ in won} == {"claim", "finish", "retry"}
    assert set(won.values()) == {1}
    for job in jobs:
        latest = (await stores[0].find(job.job_id)).attempt
        attempts = [await stores[0].attempt(job.job_id, number) for number in range(1, latest.number + 1)]
        assert {attempt.status for attempt in attempts[:-1]} <= ENDED
        for attempt in attempts:
            assert (attempt.start_time is not None) == (("claim", job.job_id, attempt.number) in won)
            assert (attempt.success is True) == (("finish", job.job_id, attempt.number) in won)


async def _do_anything(
    store: JobStore, jobs: Sequence[Job], won: Counter[tuple[str, str, int]], seed: int
) -> None:
    draw = random.Random(seed)
    for _ in range(25):
        job = await store.find(draw.choice(jobs).job_id)
        steps: dict[str, Callable[[], Awaitable[Job | None]]] = {
            "claim": lambda: claim(store),
            "finish": lambda job=job: store.finish(job, PASSED),
            "cancel": lambda job=job: store.cancel(job.job_id, "ann"),
            "retry": lambda job=job: store.retry(job.job_id, "ann"),
        }
        what = draw.choice(list(steps))
        try:
            done = await steps[what]()
        except REFUSED:
            continue
        if done and what != "cancel":
            won[what, done.job_id, done.attempt.number] += 1
