from collections.abc import AsyncGenerator, Callable, Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ci_storage import DIALECTS, FAILED_TESTS, PASSED, claimed, migrated_database, opened, run, submit

from ci_server.domain.job import JobSpec, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobFilter, JobStore


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


async def test_lists_have_the_newest_first_page_by_page(store: JobStore) -> None:
    submitted = [(await submit(store, "ab"[number % 2])).job_id for number in range(7)]
    await store.finish(await claimed(store), PASSED)
    await store.retry(submitted[0], "a")
    found: list[str] = []
    after: tuple[datetime, str] | None = None
    while page := await store.list(JobFilter(), 3, after):
        found += [job.job_id for job in page]
        assert page[-1].submitted_time
        after = page[-1].submitted_time, page[-1].job_id
    assert found == submitted[::-1]
    assert [job.job_id for job in await store.list(JobFilter(user="b"), 100)] == submitted[1::2][::-1]


async def test_jobs_of_the_same_moment_are_listed_once_each(database: Database) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    store = JobStore(database, lambda: moment)
    submitted = {(await submit(store)).job_id for _ in range(5)}
    found = [job.job_id for job in await store.list(JobFilter(), 2)]
    found += [job.job_id for job in await store.list(JobFilter(), 9, (moment, found[-1]))]
    assert len(found) == 5
    assert set(found) == submitted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TEST -k", "command"),
        ("feature/", "branch"),
        ("CAFE", "commit"),
        ("100%", "percent"),
        ("_", "underscore"),
        ("\\", "backslash"),
        ("\x00", None),
        ("\ud800", None),
        ("no such", None),
    ],
    ids=ascii,
)
async def test_jobs_are_found_by_their_text(store: JobStore, text: str, found: str | None) -> None:
    jobs = {
        "command": await submit(store, command="pytest -k x"),
        "branch": await submit(store, branch="feature/x"),
        "commit": await submit(store, commit="cafebabe"),
        "percent": await submit(store, command="100% 1000"),
        "underscore": await submit(store, branch="a_b"),
        "backslash": await submit(store, branch="a\\b"),
    }
    names = [
        name
        for job in await store.list(JobFilter(text=text), 100)
        for name in jobs
        if jobs[name].job_id == job.job_id
    ]
    assert names == ([found] if found else [])


async def test_jobs_are_found_by_the_beginning_of_their_id(store: JobStore) -> None:
    job = await store.submit("abc" + "0" * 29, "ann", JobSpec())
    await store.submit("0" * 29 + "abc", "ann", JobSpec())
    assert await store.list(JobFilter(text="ABC00"), 10) == [job]


async def test_jobs_are_found_by_what_has_become_of_them(store: JobStore) -> None:
    passed, failed = await run(store, PASSED), await run(store, FAILED_TESTS, branch="main")
    queued = await submit(store, branch="main")
    wanted = {
        JobFilter(status=Status.COMPLETED): [failed, passed],
        JobFilter(success=False): [failed],
        JobFilter(success=True, user="ann"): [passed],
        JobFilter(branch="main"): [queued, failed],
        JobFilter(branch="main", status=Status.QUEUED): [queued],
        JobFilter(user="bob"): [],
    }
    assert {filter_: list(await store.list(filter_, 10)) for filter_ in wanted} == wanted
