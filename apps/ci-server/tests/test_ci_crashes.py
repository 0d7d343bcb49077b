"""Controllers, and what looks after their runs, are killed at random moments: no job is lost, and none run twice.

CI_CRASH_ROUNDS is how often one is killed (8), and CI_CRASH_SEED makes it the moments of another time.
"""

import asyncio
import os
import random
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from ci_process_runs import ProcessRuns, process_runs

from ci_server.domain.job import ENDED, Job, JobSpec, Status
from ci_server.runners.process.run_folder import RunFolder
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import migrate

ROUNDS = int(os.environ.get("CI_CRASH_ROUNDS", "8"))
CONTROLLERS = 2
JOBS_EACH = 3
LINES = 60
PRINTED = b"".join(b"line %d of ***\n" % number for number in range(LINES))
WITHIN_SECONDS = 240


class Crashes:
    """A data folder with a database, processes that control, and all that was submitted."""

    def __init__(self, folder: Path, store: JobStore, runs: ProcessRuns, seed: int) -> None:
        self.folder = folder
        self.store = store
        self.runs = runs
        self.dice = random.Random(seed)
        self.ran = folder / "ran"
        self.controllers = list[Process]()
        self.submitted = list[str]()
        self.harmed = set[str]()
        """Those whose process was killed, too: they may be lost, but are not run again."""

    async def submit(self) -> None:
        command = (
            f"echo $NAME >> {self.ran}; i=0; "
            f'while [ $i -lt {LINES} ]; do echo "line $i of $WORD"; i=$((i+1)); sleep 0.01; done'
        )
        run = self.runs.made(command)
        self.runs.files.secrets(run.job_id).write_text('{"WORD": "sesame"}')
        self.submitted.append(run.job_id)
        spec = JobSpec(command=command, env={"NAME": run.job_id})
        await self.store.submit(run.job_id, "ada", spec)

    async def start(self) -> None:
        controller = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ci_crash_controller", str(self.folder)),
            stdin=PIPE,
            stdout=PIPE,
            cwd=Path(__file__).parent,
        )
        self.controllers.append(controller)
        assert controller.stdout
        async with asyncio.timeout(WITHIN_SECONDS):
            assert await controller.stdout.readline() == b"ready\n"

    async def kill(self, controller: Process) -> None:
        self.controllers.remove(controller)
        controller.kill()
        # Else its transport is closed after the loop.
        await controller.communicate()

    async def round(self) -> None:
        while len(self.controllers) < CONTROLLERS:
            await self.start()
        for _ in range(JOBS_EACH):
            await self.submit()
        await asyncio.sleep(self.dice.uniform(0, 1))
        if self.dice.random() < 0.3:
            await self.harm()
        await self.kill(self.dice.choice(self.controllers))

    async def harm(self) -> None:
        """Kill what looks after one of the runs."""
        running = [job.job_id for job in await self.store.running() if job.attempt.started]
        if running:
            job_id = self.dice.choice(running)
            self.harmed.add(job_id)
            RunFolder(self.runs.files.attempt(job_id, 1)).kill_shim()

    async def all_ended(self) -> Sequence[Job]:
        async with asyncio.timeout(WITHIN_SECONDS):
            jobs = [await self.store.find(job_id) for job_id in self.submitted]
            while any(job.attempt.status not in ENDED for job in jobs):
                await asyncio.sleep(0.1)
                jobs = [await self.store.find(job_id) for job_id in self.submitted]
            while await self.runs.runner.names():
                await asyncio.sleep(0.1)
        return jobs

    def printed(self, job: Job) -> bytes:
        return self.runs.files.log(job.job_id, 1).read_bytes()[job.attempt.log_base or 0 :]


@pytest.fixture
async def crashes(tmp_path: Path) -> AsyncGenerator[Crashes]:
    seed = int(os.environ.get("CI_CRASH_SEED") or secrets.randbits(32))
    print(f"again with CI_CRASH_SEED={seed}")  # noqa: T201
    database = Database.of(None, tmp_path / "jobs.db")
    await asyncio.to_thread(migrate, database.url)
    async with process_runs(tmp_path, sandboxed=False) as runs:
        crashes = Crashes(tmp_path, JobStore(database), runs, seed)
        yield crashes
        for controller in [*crashes.controllers]:
            await crashes.kill(controller)
    await database.close()


async def test_no_job_is_lost_and_none_run_twice_wherever_controllers_are_killed(crashes: Crashes) -> None:
    for _ in range(ROUNDS):
        await crashes.round()
    await crashes.start()
    jobs = await crashes.all_ended()
    ran = Counter(crashes.ran.read_text().split())
    for job in jobs:
        if job.job_id in crashes.harmed:
            assert ran[job.job_id] <= 1
            assert PRINTED.startswith(crashes.printed(job))
        else:
            assert ran[job.job_id] == 1
            assert crashes.printed(job) == PRINTED
            assert (job.attempt.status, job.attempt.success) == (Status.COMPLETED, True)
    assert not list(crashes.runs.files.jobs.glob("*/attempts/*/run"))
    assert not list(crashes.runs.files.jobs.glob("*/attempts/*/artifacts-*"))


async def test_a_controller_that_is_stopped_leaves_its_jobs_running(crashes: Crashes) -> None:
    await crashes.start()
    await crashes.submit()
    async with asyncio.timeout(WITHIN_SECONDS):
        while not (await crashes.store.find(crashes.submitted[0])).attempt.started:
            await asyncio.sleep(0.01)
        first = crashes.controllers.pop()
        await first.communicate(b"")
    assert first.returncode == 0
    await crashes.start()
    [job] = await crashes.all_ended()
    assert (job.attempt.status, crashes.printed(job)) == (Status.COMPLETED, PRINTED)
    assert crashes.ran.read_text().split() == [job.job_id]
