"""What a controller takes on, lets go of, and makes good."""

import asyncio
import fcntl
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_made_runner import MadeRunner, Script
from ci_site import HERE, Site, made_site, terms
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from ci_server.domain.course import Exit
from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import JobSpec, Status
from ci_server.running.attempt_lock import attempt_lock
from ci_server.running.runner import Run
from ci_server.running.terms import Terms
from ci_server.settings import Settings

GOES_ON = Script(output=b"1\n", goes_on=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    async with made_site(tmp_path) as site:
        yield site


async def test_no_more_jobs_run_at_once_than_there_may(site: Site) -> None:
    site.engine.script = GOES_ON
    ids = [await site.submit() for _ in range(5)]
    site.controller(terms(max_jobs=2))
    for ended in range(5):
        await site.engine.until(lambda ended=ended: len(site.engine.starts) == min(ended + 2, 5))
        name = next(name for name, run in site.engine.runs.items() if run.exit is None)
        await site.engine.end(name, Exit(0))
    for job_id in ids:
        assert (await site.ended(job_id)).attempt.success
    assert site.engine.most_at_once == 2


async def test_no_more_jobs_of_a_user_run_at_once_than_there_may(site: Site) -> None:
    site.engine.script = GOES_ON
    mine = [await site.submit(user="ada") for _ in range(2)]
    other = await site.submit(user="bob")
    site.controller(terms(max_jobs=3, max_jobs_per_user=1))
    await site.run_started(mine[0])
    await site.run_started(other)
    assert (await site.store.find(mine[1])).attempt.status is Status.QUEUED


async def test_a_job_is_taken_at_once_and_not_at_the_next_look(site: Site) -> None:
    site.controller(terms(reconcile_seconds=3600, sweep_seconds=3600))
    await site.ended(await site.submit())
    await site.ended(await site.submit())


async def test_two_controllers_never_run_a_job_twice(site: Site) -> None:
    ids = [await site.submit(Script(output=b"1\n2\n3\n")) for _ in range(20)]
    for _ in range(3):
        site.controller()
    for job_id in ids:
        job = await site.ended(job_id)
        assert site.printed(job) == b"1\n2\n3\n"
    assert site.engine.starts == {f"{job_id}-1": 1 for job_id in ids}


async def test_a_job_whose_engine_hangs_holds_up_no_other(site: Site) -> None:
    class Hanging(MadeRunner):
        async def start(self, run: Run) -> None:
            if run.job_id == stuck:
                await asyncio.Event().wait()
            await super().start(run)

    stuck = await site.submit()
    site.controller(runner=Hanging(site.engine))
    await site.engine.until(lambda: site.engine.preparations[f"{stuck}-1"] == 1)
    assert (await site.ended(await site.submit())).attempt.success
    cancelled = await site.submit(GOES_ON)
    await site.run_started(cancelled)
    await site.store.cancel(cancelled, "ada")
    assert (await site.ended(cancelled)).attempt.status is Status.CANCELLED


async def test_jobs_stay_queued_while_the_engine_is_away(site: Site) -> None:
    failures = _failures("sweep")
    site.engine.is_away = True
    with capture_logs() as lines:
        site.controller()
        job_id = await site.submit()
        async with asyncio.timeout(20):
            while _failures("sweep") < failures + 3:
                await asyncio.sleep(0.01)
    assert [line["event"] for line in lines] == ["controller_waits"], "said once"
    assert (await site.store.find(job_id)).attempt.status is Status.QUEUED
    site.engine.is_away = False
    assert (await site.ended(job_id)).attempt.success


async def test_an_engine_that_a_job_found_away_is_given_no_more_jobs(site: Site) -> None:
    site.controller(terms(sweep_seconds=3600))
    first = await site.ended(await site.submit())
    assert first.attempt.success
    site.engine.is_away = True
    failures = _failures("sweep")
    waiting = await site.submit()
    async with asyncio.timeout(20):
        while _failures("sweep") == failures:
            await asyncio.sleep(0.01)
    later = await site.submit()
    assert (await site.store.find(later)).attempt.status is Status.QUEUED
    site.engine.is_away = False
    for job_id in (waiting, later):
        assert (await site.ended(job_id)).attempt.success


async def test_a_controller_survives_a_database_that_is_away(site: Site) -> None:
    away = True

    async def step(what: str) -> None:
        if away and what in {"claim", "running"}:
            raise StorageUnavailable("The database is away.")

    failures = _failures("look")
    site.controller_with_steps(step)
    job_id = await site.submit()
    async with asyncio.timeout(20):
        while _failures("look") < failures + 2:
            await asyncio.sleep(0.01)
    away = False
    assert (await site.ended(job_id)).attempt.success


async def test_a_database_that_is_away_for_a_while_costs_no_job(site: Site) -> None:
    """Each of the calls that a job needs fails once, after it was done or before."""
    failed = set[str]()

    async def step(what: str) -> None:
        if what not in failed:
            failed.add(what)
            raise StorageUnavailable(f"The database is away: {what}.")

    site.controller_with_steps(step)
    job = await site.ended(await site.submit(Script(output=b"1\n2\n")))
    assert (job.attempt.status, site.printed(job)) == (Status.COMPLETED, b"1\n2\n")
    assert site.engine.starts == {f"{job.job_id}-1": 1}
    await site.tidy()


async def test_who_stops_lets_go_of_its_jobs_and_they_go_on(site: Site) -> None:
    first = site.controller()
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    await first.stop()
    with attempt_lock(site.files.lock(job_id, 1)) as free:
        assert free
    assert site.engine.runs[name].exit is None
    assert (await site.store.find(job_id)).attempt.status is Status.RUNNING
    await site.engine.print(name, b"2\n")
    site.controller()
    await site.engine.print(name, b"3\n")
    await site.engine.end(name, Exit(0))
    job = await site.ended(job_id)
    assert (site.printed(job), site.engine.starts[name]) == (b"1\n2\n3\n", 1)


async def test_a_job_that_is_followed_is_not_taken_over(site: Site) -> None:
    job_id = await site.submit(GOES_ON)
    await site.store.claim("here", "process")
    with attempt_lock(site.files.lock(job_id, 1)) as alone:
        assert alone
        site.controller()
        await site.ended(await site.submit())
        assert not site.engine.preparations[f"{job_id}-1"]
    await site.run_started(job_id)


async def test_who_slept_after_a_claim_leaves_the_job_to_who_took_it_over(site: Site) -> None:
    wakes, woken = asyncio.Event(), set[str]()

    async def step(what: str) -> None:
        if what == "claim did":
            await wakes.wait()
        if wakes.is_set():
            woken.add(what)

    job_id = await site.submit(Script(output=b"1\n2\n"))
    site.controller_with_steps(step)
    await site.reached(job_id, Status.RUNNING)
    site.controller()
    job = await site.ended(job_id)
    await site.tidy()
    log = site.log(job)
    wakes.set()
    async with asyncio.timeout(20):
        while not woken & {"find did", "prepare went on"}:
            await asyncio.sleep(0.01)
    assert (site.log(job), site.engine.preparations[f"{job_id}-1"]) == (log, 1)


async def test_who_slept_after_a_claim_goes_on_where_who_took_it_over_died(site: Site) -> None:
    wakes = asyncio.Event()

    async def step(what: str) -> None:
        if what == "claim did":
            await wakes.wait()

    job_id = await site.submit(GOES_ON)
    site.controller_with_steps(step, terms(settle_seconds=30))
    await site.reached(job_id, Status.RUNNING)
    dying = site.controller()
    name = await site.run_started(job_id)
    await dying.stop()
    await site.engine.end(name, Exit(0))
    await site.store.cancel(job_id, "ada")
    wakes.set()
    job = await site.ended(job_id)
    assert (job.attempt.status, site.printed(job)) == (Status.COMPLETED, b"1\n")
    assert site.engine.starts[name] == 1


async def test_who_cannot_follow_what_it_claimed_claims_no_more(site: Site) -> None:
    ids = [await site.submit(Script(output=b"1\n")) for _ in range(3)]
    in_the_way = [site.files.attempt(job_id, 1).parent for job_id in ids]
    for file in in_the_way:
        file.touch()
    failures = _failures("follow")
    site.controller(terms(max_jobs=2))
    async with asyncio.timeout(20):
        while _failures("follow") < failures + 6:
            await asyncio.sleep(0.01)
    assert len(await site.store.running()) == 2
    for file in in_the_way:
        file.unlink()
    for job_id in ids:
        assert site.printed(await site.ended(job_id)) == b"1\n"


def test_a_lock_that_was_removed_meanwhile_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock = tmp_path / "lock", fcntl.flock

    def removed_meanwhile(descriptor: int, operation: int) -> None:
        path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with attempt_lock(path) as held:
        assert not held
    monkeypatch.undo()
    with attempt_lock(path) as held:
        assert held


@pytest.mark.parametrize(("host", "runner"), [("elsewhere", "process"), ("here", "container")])
async def test_what_runs_elsewhere_is_left_alone_until_its_time_has_long_been_over(
    site: Site, host: str, runner: str
) -> None:
    job_id = await site.submit(spec=JobSpec(timeout=1000))
    await site.store.claim(host, runner)
    await site.backdate(job_id, 1050)
    controller = site.controller()
    await site.ended(await site.submit())
    assert (await site.store.find(job_id)).attempt.status is Status.RUNNING
    await controller.stop()
    await site.backdate(job_id, 1061)
    site.controller()
    job = await site.ended(job_id)
    assert job.attempt.status is Status.FAILED
    assert "Retry it" in (job.attempt.reason or "")
    assert not site.engine.starts[f"{job_id}-1"]


@pytest.mark.parametrize("runner", ["container", "kubernetes"])
async def test_a_machine_that_has_a_new_name_finds_its_runs_in_the_engine(site: Site, runner: str) -> None:
    first = site.controller(terms(host="before"), MadeRunner(site.engine, name=runner))
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    await first.stop()
    await site.engine.end(name, Exit(0))
    site.controller(terms(host="after"), MadeRunner(site.engine, name=runner))
    assert (await site.ended(job_id)).attempt.success


async def test_what_is_left_in_the_engine_of_ended_jobs_is_removed_and_nothing_else(site: Site) -> None:
    class Dying(MadeRunner):
        async def remove(self, run: Run) -> None:
            await asyncio.Event().wait()

    dying = site.controller(runner=Dying(site.engine))
    left = (await site.ended(await site.submit())).job_id
    goes_on = await site.submit(GOES_ON)
    name = await site.run_started(goes_on)
    assert f"{left}-1" in site.engine.runs
    await dying.stop()
    site.controller()
    await site.engine.until(lambda: f"{left}-1" not in site.engine.runs)
    assert site.engine.runs[name].exit is None


async def test_a_controller_counts_what_it_follows_and_how_long_that_was_queued(site: Site) -> None:
    queued = REGISTRY.get_sample_value("ci_job_queued_seconds_count") or 0
    site.controller()
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    assert REGISTRY.get_sample_value("ci_jobs_followed") == 1
    assert REGISTRY.get_sample_value("ci_job_queued_seconds_count") == queued + 1
    await site.engine.end(name, Exit(0))
    await site.tidy()
    async with asyncio.timeout(20):
        while REGISTRY.get_sample_value("ci_jobs_followed"):
            await asyncio.sleep(0.01)


def test_the_terms_of_a_controller_are_those_of_the_settings() -> None:
    settings = Settings(ci_max_jobs=3, ci_max_jobs_per_user=2, ci_max_log_mb=5, ci_reconcile_interval=0.5)
    found = Terms.of(settings)
    assert (found.max_jobs, found.max_jobs_per_user) == (3, 2)
    assert (found.max_log_bytes, found.reconcile_seconds) == (5_000_000, 0.5)
    assert found.grace_seconds == 10
    assert found.host
    assert HERE.overdue_seconds == 60


def _failures(part: str) -> float:
    return REGISTRY.get_sample_value("ci_controller_failures_total", {"part": part}) or 0
