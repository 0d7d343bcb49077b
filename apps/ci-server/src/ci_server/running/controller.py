import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import monotonic

import structlog

from ci_server.domain.course import Exit, outcome_of
from ci_server.domain.errors import ClaimLost, JobNotFound
from ci_server.domain.job import Job
from ci_server.running.attempt_lock import attempt_lock
from ci_server.running.controller_metrics import count_pick_up, jobs_followed
from ci_server.running.job_run import JobRun
from ci_server.running.outliving import Outliving
from ci_server.running.run_of import run_name
from ci_server.running.runner import Runner
from ci_server.running.sweep import Sweep
from ci_server.running.takeover import takeover_of
from ci_server.running.terms import Terms
from ci_server.storage.changes import Changes
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

STOP_SECONDS = 5.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Controller:
    """Takes jobs from the queue, up to so many at a time, and follows each to its end.

    It looks as soon as anything has changed, and every `terms.reconcile_seconds`; then also for attempts that
    nobody follows any more, and for what they left. Any number of controllers may work on one database. What is
    handed in is to be closed by who made it, after `stop`.
    """

    def __init__(
        self, store: JobStore, changes: Changes, files: JobFiles, runner: Runner, terms: Terms
    ) -> None:
        self._store = store
        self._changes = changes
        self._files = files
        self._runner = runner
        self._terms = terms
        self._sweep = Sweep(store, files, runner)
        self._runs = dict[str, tuple[asyncio.Task[None], JobRun]]()
        self._loops = set[asyncio.Task[None]]()
        self._bell = asyncio.Event()
        self._engine_is_away = asyncio.Event()
        self._orphans_due = 0.0

    def start(self) -> None:
        """Begin to look for work, on the running event loop."""
        for loop in (self._ring(), self._look_forever(), self._sweep_forever()):
            self._loops.add(asyncio.create_task(loop))

    async def stop(self) -> None:
        """Let go of all jobs, within 5 s; they go on, and who comes next follows them."""
        tasks = {*self._loops, *(task for task, _ in self._runs.values())}
        for task in tasks:
            task.cancel()
        if tasks and (await asyncio.wait(tasks, timeout=STOP_SECONDS))[1]:
            _log.error("controller_did_not_let_go", seconds=STOP_SECONDS)
        self._loops.clear()

    async def _ring(self) -> None:
        seen = self._changes.version()
        while True:
            self._bell.set()
            seen = await self._changes.wait(seen, self._terms.reconcile_seconds)

    async def _look_forever(self) -> None:
        looking = Outliving("look", self._look)
        while True:
            await self._bell.wait()
            self._bell.clear()
            await looking.once()

    async def _sweep_forever(self) -> None:
        sweeping = Outliving("sweep", self._sweep.once)
        while True:
            engine_answered = self._sweep.engine_answers
            await sweeping.once()
            if self._sweep.engine_answers and not engine_answered:
                self._bell.set()
            await self._until_next_sweep()

    async def _until_next_sweep(self) -> None:
        answers = self._sweep.engine_answers
        with suppress(TimeoutError):
            async with asyncio.timeout(
                self._terms.sweep_seconds if answers else self._terms.reconcile_seconds
            ):
                await self._engine_is_away.wait()
                # No more often than this, however many jobs find it away.
                await asyncio.sleep(self._terms.reconcile_seconds)
        self._engine_is_away.clear()

    async def _look(self) -> None:
        orphans_are_due = monotonic() >= self._orphans_due
        if self._runs or orphans_are_due:
            for job in await self._store.running():
                self._look_at(job, orphans_are_due)
        if orphans_are_due:
            self._orphans_due = monotonic() + self._terms.reconcile_seconds
        await self._claim()

    def _look_at(self, job: Job, orphans_are_due: bool) -> None:
        if followed := self._runs.get(run_name(job)):
            followed[1].notice(job)
        elif orphans_are_due:
            self._follow(job, taken_over=True)

    async def _claim(self) -> None:
        while self._sweep.engine_answers and len(self._runs) < self._terms.max_jobs:
            job = await self._store.claim(self._terms.host, self._runner.name, self._terms.max_jobs_per_user)
            if not job:
                return
            count_pick_up(job.attempt)
            self._follow(job, taken_over=False)

    def _follow(self, job: Job, *, taken_over: bool) -> None:
        run = JobRun(
            job,
            self._store,
            self._files,
            self._runner,
            self._terms,
            self._engine_is_away.set,
            taken_over=taken_over,
        )
        task = asyncio.create_task(self._follow_in_spite(partial(self._follow_alone, run, job, taken_over)))
        self._runs[run_name(job)] = task, run
        task.add_done_callback(lambda _: self._forget(run_name(job)))

    def _forget(self, name: str) -> None:
        del self._runs[name]
        self._bell.set()

    async def _follow_in_spite(self, follow: Callable[[], Awaitable[None]]) -> None:
        """Until it can be done: given up at once, it would make room for the next one to be claimed in vain."""
        following = Outliving("follow", follow)
        while not await following.once():  # noqa: ASYNC110  # a disk or an engine sets no event
            await asyncio.sleep(self._terms.reconcile_seconds)

    async def _follow_alone(self, run: JobRun, job: Job, taken_over: bool) -> None:
        with attempt_lock(self._files.lock(job.job_id, job.attempt.number)) as alone:
            if alone and (not taken_over or await self._takes_over(job)):
                with jobs_followed.track_inprogress():
                    await run.to_its_end()

    async def _takes_over(self, job: Job) -> bool:
        takeover = await takeover_of(job, self._files, self._runner, self._terms)
        if takeover == "lost":
            lost = outcome_of(Exit(None, "lost"), job.spec, job.attempt, None)
            with suppress(ClaimLost, JobNotFound):
                await self._store.finish(job, lost)
        return takeover == "take"
