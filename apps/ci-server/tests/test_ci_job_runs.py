"""The course of a job, from the claim to its end, whatever happens on the way."""

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest
from ci_made_runner import MadeRunner, Script
from ci_site import Site, made_site, terms
from ci_zips import Entry, written
from structlog.testing import capture_logs

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec, Results, Status
from ci_server.running.runner import Run

JUNIT = b'<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1" time="2.5"/></testsuites>'
NO_IMAGE = "There is no such image."
GOES_ON = Script(output=b"1\n2\n", goes_on=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    async with made_site(tmp_path) as site:
        yield site


async def test_a_job_that_passes_is_completed_with_all_that_it_printed(site: Site) -> None:
    site.controller(terms(sweep_seconds=3600))
    job = await site.ended(await site.submit(Script(output=b"1\n2\nunended")))
    assert (job.attempt.status, job.attempt.success, job.attempt.exit_code) == (Status.COMPLETED, True, 0)
    assert site.log(job) == b"Installing pytest\n1\n2\nunended"
    assert job.attempt.log_base == len(b"Installing pytest\n")
    assert (job.attempt.host, job.attempt.runner, job.attempt.reason) == ("here", "process", None)
    await site.tidy()


async def test_tests_that_fail_are_a_job_that_completed_without_success(site: Site) -> None:
    site.controller()
    job = await site.ended(await site.submit(Script(exit=Exit(1))))
    assert (job.attempt.status, job.attempt.success, job.attempt.exit_code) == (Status.COMPLETED, False, 1)


@pytest.mark.parametrize("exit_", [Exit(0), Exit(1), Exit(137, "memory")], ids=["passed", "failed", "killed"])
async def test_artifacts_are_kept_however_a_job_ended(site: Site, exit_: Exit) -> None:
    files = {
        "junit.xml": JUNIT,
        "coverage.xml": b"<c/>",
        "htmlcov/a/b.html": b"b",
        "out/x.bin": b"\0",
        "no": b"",
    }
    site.controller()
    job = await site.ended(
        await site.submit(Script(exit=exit_, files=files), JobSpec(artifacts=("out/*", "junit.xml")))
    )
    del files["no"]
    assert site.artifacts(job) == files
    assert job.attempt.results == Results(passed=1, failed=1, skipped=1, errors=0, duration=2.5)


async def test_results_are_found_in_junit_xml_of_another_name(site: Site) -> None:
    site.controller()
    script = Script(files={"reports/a.xml": b"<coverage/>", "reports/b.xml": JUNIT})
    job = await site.ended(await site.submit(script, JobSpec(artifacts=("reports/*",))))
    assert job.attempt.results
    assert job.attempt.results.failed == 1


async def test_junit_xml_that_came_with_the_project_is_no_result(site: Site) -> None:
    site.controller()
    script = Script(files={"junit.xml": JUNIT})
    job = await site.ended(await site.submit(script, zipped={"junit.xml": JUNIT.decode()}))
    assert job.attempt.results is None
    assert site.artifacts(job) == {"junit.xml": JUNIT}


async def test_names_in_a_zip_are_read_as_when_it_was_checked(site: Site) -> None:
    job_id = await site.submit(Script(files={"é.xml": JUNIT}), JobSpec(artifacts=("*.xml",)))
    without_flag = Entry(name="é.xml".encode(), content=JUNIT, flags=0)
    site.files.project(job_id).write_bytes(written([without_flag]))
    site.controller()
    job = await site.ended(job_id)
    assert (job.attempt.results, site.artifacts(job)) == (None, {"é.xml": JUNIT})


async def test_artifacts_that_cannot_be_read_do_not_keep_a_job_from_its_end(site: Site) -> None:
    class Unreadable(MadeRunner):
        async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
            raise OSError(errno.ENAMETOOLONG, "File name too long")

    site.controller(runner=Unreadable(site.engine))
    job = await site.ended(await site.submit(Script(files={"junit.xml": JUNIT})))
    assert (job.attempt.status, job.attempt.success, job.attempt.results) == (Status.COMPLETED, True, None)


async def test_artifacts_wait_for_room_on_a_disk_that_is_full(site: Site) -> None:
    class Full(MadeRunner):
        tries = 0

        async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
            self.tries += 1
            if self.tries < 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            await super().collect(run, globs, into)

    site.controller(runner=Full(site.engine))
    with capture_logs() as lines:
        job = await site.ended(await site.submit(Script(files={"junit.xml": JUNIT}, output=b"1\n")))
    assert site.artifacts(job) == {"junit.xml": JUNIT}
    assert site.printed(job) == b"1\n"
    assert len([line for line in lines if line["event"] == "job_waits"]) == 1, "said once"


async def test_secrets_are_given_to_the_run_and_masked_in_its_log(site: Site) -> None:
    site.controller()
    script = Script((b"for se", b"same\n"), b"the sesame opens, and sesa does not\nses", goes_on=True)
    job_id = await site.submit(script, JobSpec(env={"A": "b"}), secrets={"WORD": "sesame"})
    name = await site.run_started(job_id)
    environment = site.engine.runs[name].environment
    assert (environment["A"], environment["WORD"]) == ("b", "sesame")
    await site.engine.end(name, Exit(0))
    job = await site.ended(job_id)
    assert site.log(job) == b"for ***\nthe *** opens, and sesa does not\nses"


async def test_a_running_job_is_stopped_when_its_cancellation_is_wanted(site: Site) -> None:
    site.controller()
    job_id = await site.submit(Script(output=b"1\n", goes_on=True, files={"junit.xml": JUNIT}))
    await site.run_started(job_id)
    await site.store.cancel(job_id, "ada", "it is wrong")
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.success) == (Status.CANCELLED, False)
    assert job.attempt.reason
    assert "ada" in job.attempt.reason
    assert "it is wrong" in job.attempt.reason
    assert site.printed(job) == b"1\n"
    assert site.artifacts(job) == {"junit.xml": JUNIT}
    await site.tidy()


async def test_a_job_is_cancelled_during_its_installation(site: Site) -> None:
    site.controller(terms(sweep_seconds=3600))
    job_id = await site.submit(Script(prepares_for_ever=True))
    await site.engine.until(lambda: site.engine.preparations[f"{job_id}-1"] == 1)
    await site.store.cancel(job_id, "ada")
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.exit_code) == (Status.CANCELLED, None)
    assert not site.engine.starts
    async with asyncio.timeout(20):
        while (site.files.attempt(job_id, 1) / "run").exists():
            await asyncio.sleep(0.01)


async def test_a_cancellation_after_the_run_has_ended_changes_nothing(site: Site) -> None:
    class Slow(MadeRunner):
        async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
            await site.store.cancel(job_id, "ada")
            await asyncio.sleep(0.2)

    site.controller(runner=Slow(site.engine))
    job_id = await site.submit()
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.success) == (Status.COMPLETED, True)
    assert site.engine.stops[f"{job_id}-1"] == 0


async def test_a_run_that_had_ended_before_it_was_taken_over_is_not_cancelled_any_more(site: Site) -> None:
    dying = site.controller()
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    await dying.stop()
    await site.engine.end(name, Exit(0))
    await site.store.cancel(job_id, "ada")
    site.controller(terms(settle_seconds=30))
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.success) == (Status.COMPLETED, True)


async def test_a_run_that_takes_longer_than_its_time_is_stopped(site: Site) -> None:
    site.controller()
    job = await site.ended(await site.submit(GOES_ON, JobSpec(timeout=1)))
    assert (job.attempt.status, job.attempt.success) == (Status.FAILED, False)
    assert job.attempt.reason == "It took more than its 1 s (form field `timeout`)."


async def test_a_run_that_ended_while_its_controller_slept_has_not_taken_too_long(
    site: Site, skip_ahead: Callable[[float], None]
) -> None:
    site.controller(terms(settle_seconds=30))
    job_id = await site.submit(GOES_ON, JobSpec(timeout=30))
    name = await site.run_started(job_id)
    site.engine.runs[name].exit = Exit(0)
    skip_ahead(30)
    # The time is over before anything of the end is seen.
    for _ in range(100):
        await asyncio.sleep(0)
    await site.engine.changed()
    job = await site.ended(job_id)
    assert (job.attempt.status, site.engine.stops[name]) == (Status.COMPLETED, 0)


async def test_a_run_whose_time_was_over_while_nobody_followed_it_is_stopped(site: Site) -> None:
    dying = site.controller()
    job_id = await site.submit(GOES_ON, JobSpec(timeout=1000))
    await site.run_started(job_id)
    await dying.stop()
    await site.backdate(job_id, 1001)
    site.controller()
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.success, job.attempt.exit_code) == (Status.FAILED, False, 143)
    assert job.attempt.reason == "It took more than its 1000 s (form field `timeout`)."
    assert site.printed(job) == b"1\n2\n"


async def test_an_installation_that_takes_longer_than_the_time_of_its_job_is_ended(site: Site) -> None:
    site.controller()
    job = await site.ended(await site.submit(Script(prepares_for_ever=True), JobSpec(timeout=1)))
    assert (job.attempt.status, job.attempt.exit_code) == (Status.FAILED, None)
    assert job.attempt.reason == "It took more than its 1 s (form field `timeout`)."


@pytest.mark.parametrize("more", [0, 1])
async def test_a_run_that_prints_more_than_a_log_may_hold_is_stopped(site: Site, more: int) -> None:
    site.controller(terms(max_log_bytes=50))
    script = Script(output=b"x" * (50 + more), goes_on=bool(more), files={"junit.xml": JUNIT})
    job = await site.ended(await site.submit(script))
    assert site.printed(job) == b"x" * 50
    assert site.artifacts(job) == {"junit.xml": JUNIT}
    if more:
        assert job.attempt.status is Status.FAILED
        assert job.attempt.reason == "It printed more than a log may hold (CI_MAX_LOG_MB of the server)."
    else:
        assert job.attempt.status is Status.COMPLETED


async def test_an_installation_that_prints_more_than_a_log_may_hold_is_ended(site: Site) -> None:
    site.controller(terms(max_log_bytes=10))
    job = await site.ended(await site.submit(Script(preparation=(b"x" * 11,))))
    assert job.attempt.status is Status.FAILED
    assert "CI_MAX_LOG_MB" in (job.attempt.reason or "")


@pytest.mark.parametrize(
    "script",
    [Script(cannot_be_prepared=NO_IMAGE), Script(cannot_be_started=NO_IMAGE)],
    ids=["first", "later"],
)
async def test_what_cannot_run_says_why(site: Site, script: Script) -> None:
    site.controller()
    job = await site.ended(await site.submit(script))
    assert (job.attempt.status, job.attempt.success) == (Status.FAILED, False)
    assert job.attempt.reason == NO_IMAGE
    assert site.log(job) == b"Installing pytest\n"


async def test_a_job_without_its_zip_fails_and_says_so(site: Site) -> None:
    job_id = await site.submit()
    site.files.project(job_id).unlink()
    site.controller()
    job = await site.ended(job_id)
    assert job.attempt.status is Status.FAILED
    assert job.attempt.reason == "The zip of the job is not on the server any more; submit it again."


async def test_a_retry_is_a_run_of_its_own(site: Site) -> None:
    site.controller()
    first = await site.ended(await site.submit(Script(output=b"1\n")))
    await site.store.retry(first.job_id, "ada")
    second = await site.ended(first.job_id)
    assert second.attempt.number == 2
    assert site.log(first) == site.log(second) == b"Installing pytest\n1\n"
    assert site.engine.starts == {f"{first.job_id}-1": 1, f"{first.job_id}-2": 1}


async def test_a_job_waits_for_an_engine_that_is_away_while_it_is_prepared(site: Site) -> None:
    class Leaving(MadeRunner):
        tries = 0

        async def is_there(self, run: Run) -> bool:
            raise AssertionError("what was not prepared cannot be there")

        async def start(self, run: Run) -> None:
            self.tries += 1
            self.engine.is_away = self.tries < 3
            try:
                await super().start(run)
            finally:
                self.engine.is_away = False

    site.controller(runner=Leaving(site.engine))
    job = await site.ended(await site.submit(Script(output=b"1\n")))
    assert (job.attempt.status, site.log(job)) == (Status.COMPLETED, b"Installing pytest\n1\n")
    assert site.engine.preparations == {f"{job.job_id}-1": 1}


async def test_a_job_fails_when_its_engine_stays_away_until_its_time_is_long_over(site: Site) -> None:
    dying = site.controller()
    job_id = await site.submit(GOES_ON, JobSpec(timeout=1000))
    await site.run_started(job_id)
    await dying.stop()
    site.engine.is_away = True
    await site.backdate(job_id, 1061)
    site.controller()
    job = await site.ended(job_id)
    assert job.attempt.status is Status.FAILED
    assert job.attempt.reason == "It did not come to its end in its 1000 s: The engine does not answer."
    site.engine.is_away = False
    await site.tidy()


async def test_a_job_is_waited_for_when_its_engine_comes_back_soon_after_its_time(site: Site) -> None:
    dying = site.controller()
    job_id = await site.submit(GOES_ON, JobSpec(timeout=1000))
    name = await site.run_started(job_id)
    await dying.stop()
    await site.engine.end(name, Exit(0))
    site.engine.is_away = True
    await site.backdate(job_id, 1001)
    with capture_logs() as lines:
        site.controller()
        async with asyncio.timeout(20):
            while not any(line["event"] == "job_waits" for line in lines):
                await asyncio.sleep(0.01)
    site.engine.is_away = False
    job = await site.ended(job_id)
    assert (job.attempt.status, job.attempt.success) == (Status.COMPLETED, True)


async def test_a_run_that_is_not_there_any_more_is_lost_and_not_run_again(site: Site) -> None:
    dying = site.controller()
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    await dying.stop()
    del site.engine.runs[name]
    site.controller()
    job = await site.ended(job_id)
    assert job.attempt.status is Status.FAILED
    assert "Retry it" in (job.attempt.reason or "")
    assert site.engine.starts[name] == 1


async def test_a_run_that_somebody_else_ended_is_lost(site: Site) -> None:
    site.controller()
    job = await site.ended(await site.submit(Script(exit=Exit(143, "cancelled"))))
    assert job.attempt.status is Status.FAILED
    assert "Retry it" in (job.attempt.reason or "")


async def test_a_full_disk_delays_a_log_and_loses_nothing_of_it(site: Site) -> None:
    job_id = await site.submit(Script(output=b"1\n2\n"))
    log = site.files.log(job_id, 1)
    log.mkdir(parents=True)
    with capture_logs() as lines:
        site.controller()
        async with asyncio.timeout(20):
            while not any(line["event"] == "job_waits" for line in lines):
                await asyncio.sleep(0.01)
        log.rmdir()
        job = await site.ended(job_id)
    assert site.log(job) == b"Installing pytest\n1\n2\n"
    assert len([line for line in lines if line["event"] == "job_waits"]) == 1, "said once"


async def test_what_cannot_be_written_to_a_log_can_be_cancelled(site: Site) -> None:
    controller = site.controller()
    job_id = await site.submit(GOES_ON)
    name = await site.run_started(job_id)
    await controller.stop()
    log = site.files.log(job_id, 1)
    log.rename(log.with_name("aside"))
    log.mkdir()
    site.controller()
    await site.store.cancel(job_id, "ada")
    await site.engine.until(lambda: site.engine.stops[name] > 0)
    log.rmdir()
    log.with_name("aside").rename(log)
    job = await site.ended(job_id)
    assert (job.attempt.status, site.printed(job)) == (Status.CANCELLED, b"1\n2\n")
