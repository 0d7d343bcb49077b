"""A controller may die between any two things that it does: what comes after it brings every job to its end."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from ci_made_runner import Script
from ci_site import Site, made_site, terms

from ci_server.domain.course import Exit
from ci_server.domain.job import Job, JobSpec, Status
from ci_server.running.attempt_lock import attempt_lock
from ci_server.running.attempt_log import INTERRUPTED

PRINTED = b"".join(b"line %d of sesame\n" % number for number in range(6))
MASKED = PRINTED.replace(b"sesame", b"***")
TERMS = terms(max_jobs=1, max_log_bytes=len(PRINTED))
FILES = {"junit.xml": b'<testsuites><testsuite tests="1"/></testsuites>', "htmlcov/a.html": b"a"}


@dataclass(frozen=True)
class Course:
    script: Script
    status: Status
    printed: bytes
    starts: int = 1
    timeout: int = 1000
    is_cancelled: bool = False


COURSES = {
    "passes": Course(Script(output=PRINTED, files=FILES), Status.COMPLETED, MASKED),
    "fails": Course(Script(output=PRINTED, files=FILES, exit=Exit(1)), Status.COMPLETED, MASKED),
    "is cancelled": Course(
        Script(output=PRINTED, files=FILES, goes_on=True), Status.CANCELLED, MASKED, is_cancelled=True
    ),
    "prints too much": Course(
        Script(output=PRINTED + b"x", files=FILES, goes_on=True), Status.FAILED, MASKED
    ),
    "cannot be prepared": Course(Script(cannot_be_prepared="No."), Status.FAILED, b"", 0),
    "cannot be started": Course(Script(cannot_be_started="No."), Status.FAILED, b"", 0),
    "has no time": Course(Script(), Status.FAILED, b"", 0, timeout=0),
}


class Death:
    """Comes at the step of that number, after which its controller does nothing more."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._steps = count(1)
        self.came = asyncio.Event()

    async def step(self, _what: str) -> None:
        if next(self._steps) >= self._at:
            self.came.set()
            await asyncio.Event().wait()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    async with made_site(tmp_path) as site:
        yield site


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
async def test_a_job_comes_to_its_end_wherever_its_controllers_die(site: Site, course: Course) -> None:
    dice = random.Random(20261121)
    for step in count(1):
        job_id = await site.submit(course.script, JobSpec(timeout=course.timeout), secrets={"WORD": "sesame"})
        cancelling = asyncio.create_task(_cancel_once_it_runs(site, job_id, course))
        died = await _dies_at(site, job_id, step)
        _cut_the_log(site, await site.store.find(job_id), dice)
        await _dies_at(site, job_id, dice.randint(1, 40))
        heir = site.controller(TERMS)
        job = await site.ended(job_id)
        await site.tidy()
        await heir.stop()
        cancelling.cancel()
        _is_as_if_nothing_had_happened(site, job, course)
        if not died:
            assert step > 10, "it died at every step"
            return


async def _dies_at(site: Site, job_id: str, step: int) -> bool:
    """Whether a controller came to that step before the job had ended and all was tidy."""
    death = Death(step)
    controller = site.controller_with_steps(death.step, TERMS)
    came = asyncio.create_task(death.came.wait())
    ended = asyncio.create_task(_ended_and_tidy(site, job_id))
    await asyncio.wait({came, ended}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    for task in (came, ended):
        task.cancel()
    await controller.stop()
    return death.came.is_set()


async def _ended_and_tidy(site: Site, job_id: str) -> None:
    await site.ended(job_id)
    await site.tidy()


async def _cancel_once_it_runs(site: Site, job_id: str, course: Course) -> None:
    if course.is_cancelled:
        await site.engine.until(lambda: f"{job_id}-1" in site.engine.runs)
        await site.store.cancel(job_id, "ada")


def _cut_the_log(site: Site, job: Job, dice: random.Random) -> None:
    """As if the controller had died in the middle of a write."""
    log = site.files.log(job.job_id, 1)
    if job.attempt.status is Status.RUNNING and job.attempt.log_base is not None:
        length = dice.randint(job.attempt.log_base, log.stat().st_size)
        log.write_bytes(log.read_bytes()[:length])


def _is_as_if_nothing_had_happened(site: Site, job: Job, course: Course) -> None:
    name = f"{job.job_id}-1"
    assert job.attempt.status is course.status
    assert site.engine.starts[name] == course.starts
    assert site.printed(job) == course.printed if course.starts else True
    _is_a_preparation(site, job, course)
    kept = {path.name for path in site.files.attempt(job.job_id, 1).iterdir()}
    assert kept <= {"log", "lock", "artifacts", "stopping"}
    assert site.artifacts(job) == course.script.files
    with attempt_lock(site.files.lock(job.job_id, 1)) as free:
        assert free


def _is_a_preparation(site: Site, job: Job, course: Course) -> None:
    """All that it printed is there after the last interruption, and beginnings of it before."""
    if course.timeout == 0:
        return
    log = site.log(job)
    before, after = log[: job.attempt.log_base], log[job.attempt.log_base or len(log) :]
    whole = b"".join(course.script.preparation)
    *interrupted, last = before.split(INTERRUPTED)
    assert last == whole
    assert all(whole.startswith(part) for part in interrupted)
    assert INTERRUPTED not in after
