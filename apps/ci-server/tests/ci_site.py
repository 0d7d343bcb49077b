"""A place where jobs are submitted and controllers work: a database, a folder, and an engine that is made up."""

import asyncio
import json
import zipfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

from ci_made_runner import MadeEngine, MadeRunner, Script, Step
from sqlalchemy import update

from ci_server.domain.job import ENDED, Job, JobSpec, Status
from ci_server.running.controller import Controller
from ci_server.running.terms import Terms
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.migrating import migrate
from ci_server.storage.tables import attempts

HERE = Terms(
    max_jobs=2,
    max_jobs_per_user=None,
    max_log_bytes=1_000_000,
    reconcile_seconds=0.05,
    sweep_seconds=0.05,
    host="here",
    grace_seconds=0.1,
    settle_seconds=0.1,
)
WITHIN_SECONDS = 60


class Site:
    """Where the controllers of a test work."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.database = database
        self.store = JobStore(database)
        self.changes = Changes(database)
        self.files = JobFiles(data_dir)
        self.engine = MadeEngine()
        self.controllers = list[Controller]()

    def controller(self, terms: Terms = HERE, runner: MadeRunner | None = None) -> Controller:
        """A controller that works until the end of the test."""
        runner = runner or MadeRunner(self.engine)
        return self._started(Controller(self.store, self.changes, self.files, runner, terms))

    def controller_with_steps(self, step: Step, terms: Terms = HERE) -> Controller:
        """One that awaits `step` before and after whatever it asks of the store and of the runner."""
        store, runner = cast("JobStore", SteppedStore(self.store, step)), MadeRunner(self.engine, step)
        return self._started(Controller(store, self.changes, self.files, runner, terms))

    async def submit(
        self,
        script: Script | None = None,
        spec: JobSpec | None = None,
        *,
        user: str = "ada",
        secrets: Mapping[str, str] | None = None,
        zipped: Mapping[str, str] | None = None,
    ) -> str:
        """Submit a job that follows the script; its id."""
        job_id = uuid4().hex
        if script:
            self.engine.scripts[job_id] = script
        self.files.job(job_id).mkdir(parents=True)
        with zipfile.ZipFile(self.files.project(job_id), "w") as archive:
            for name, text in (zipped or {"tests/test_a.py": ""}).items():
                archive.writestr(name, text)
        if secrets:
            self.files.secrets(job_id).write_text(json.dumps(secrets))
        await self.store.submit(job_id, user, spec or JobSpec())
        return job_id

    async def ended(self, job_id: str) -> Job:
        """The job when it has ended."""
        return await self.reached(job_id, *ENDED)

    async def reached(self, job_id: str, *statuses: Status) -> Job:
        """The job when it has one of these statuses."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while (job := await self.store.find(job_id)).attempt.status not in statuses:
                await asyncio.sleep(0.01)
        return job

    async def run_started(self, job_id: str, number: int = 1) -> str:
        """The name of an attempt's run when the database knows that it was started."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not (await self.store.attempt(job_id, number)).started:
                await asyncio.sleep(0.01)
        return f"{job_id}-{number}"

    async def backdate(self, job_id: str, seconds: float) -> None:
        """Have the attempts of a job begun so much earlier, for controllers that read them from now on."""
        start_time = datetime.now(UTC) - timedelta(seconds=seconds)
        async with self.database.write() as connection:
            await connection.execute(
                update(attempts).where(attempts.c.job_id == job_id).values(start_time=start_time)
            )

    async def tidy(self) -> None:
        """Return when nothing is left in the engine."""
        await self.engine.until(lambda: not self.engine.runs and not self.engine.prepared)

    def log(self, job: Job) -> bytes:
        return self.files.log(job.job_id, job.attempt.number).read_bytes()

    def printed(self, job: Job) -> bytes:
        """What the log holds of the run, after its preparation."""
        return self.log(job)[job.attempt.log_base or 0 :]

    def artifacts(self, job: Job) -> Mapping[str, bytes]:
        folder = self.files.artifacts(job.job_id, job.attempt.number)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def _started(self, controller: Controller) -> Controller:
        self.controllers.append(controller)
        controller.start()
        return controller


class SteppedStore:
    """A store that awaits `step` before and after each of its methods."""

    def __init__(self, store: JobStore, step: Step) -> None:
        self._store = store
        self._step = step

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)

        async def stepped(*arguments: object) -> object:
            await self._step(name)
            answer = await method(*arguments)
            await self._step(f"{name} did")
            return answer

        return stepped


def terms(**changes: object) -> Terms:
    """Those of a site, but for these."""
    return replace(HERE, **changes)  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def made_site(folder: Path) -> AsyncGenerator[Site]:
    """A site below `folder`, all of whose controllers are stopped at the end."""
    database = Database.of(None, folder / "jobs.db")
    await asyncio.to_thread(migrate, database.url)
    site = Site(database, folder / "data")
    site.changes.start()
    try:
        yield site
    finally:
        for controller in site.controllers:
            await controller.stop()
        await site.changes.stop()
        await database.close()
