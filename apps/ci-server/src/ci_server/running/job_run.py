import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import uniform
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from ci_server.domain.course import Exit, Outcome, could_not_start, outcome_of
from ci_server.domain.errors import ClaimLost, JobNotFound, StorageUnavailable
from ci_server.domain.job import Job, Status
from ci_server.running.attempt_log import append_output, append_preparation
from ci_server.running.collecting import collected
from ci_server.running.controller_metrics import failures_total
from ci_server.running.log_writer import LogUnwritable
from ci_server.running.run_of import run_of, secrets_of
from ci_server.running.runner import CannotRun, Run, Runner, RunnerAway
from ci_server.running.stop_note import Stopped, StopWanted, exit_after, note_stop, noted_stop
from ci_server.running.takeover import ends_at, is_overdue
from ci_server.running.terms import Terms
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

T = TypeVar("T")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_FORESEEN = (RunnerAway, StorageUnavailable, LogUnwritable, OSError)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class JobRun:
    """Follows an attempt from where its row says that it is to its end. Its caller holds the attempt's lock.

    What fails on the way (its engine, the database, a disk) is tried again, from the row, as after a crash. It may
    be cancelled at any moment: that is as a crash, too. `engine_is_away` is called where it is found to be.
    """

    def __init__(
        self,
        job: Job,
        store: JobStore,
        files: JobFiles,
        runner: Runner,
        terms: Terms,
        engine_is_away: Callable[[], None],
        *,
        taken_over: bool,
    ) -> None:
        self._job = job
        self._store = store
        self._files = files
        self._runner = runner
        self._terms = terms
        self._engine_is_away = engine_is_away
        self._again = taken_over
        self._trouble: str | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._stopped: Stopped | None = None
        self._watch: asyncio.Timeout | None = None

    def notice(self, job: Job) -> None:
        """Look at the row as it is now: whether the job shall be cancelled."""
        wanted = job.attempt.cancel_wanted
        if job.attempt.number != self._job.attempt.number or not wanted or self._job.attempt.cancel_wanted:
            return
        self._job = replace(self._job, attempt=replace(self._job.attempt, cancel_wanted=wanted))
        if self._watch and not self._watch.expired():
            self._watch.reschedule(asyncio.get_running_loop().time())

    async def to_its_end(self) -> None:
        """Return when the attempt has ended, or is not to be followed any more."""
        tries = AsyncRetrying(wait=self._pause_after, retry=retry_if_exception(_can_be_tried_again))
        with suppress(ClaimLost, JobNotFound):
            await tries(self._go_on)

    def _pause_after(self, state: RetryCallState) -> float:
        """Count and tell a failure; the seconds until the next try, more of them for each of the same failure."""
        error = state.outcome.exception() if state.outcome else None
        failures_total.labels("job").inc()
        if isinstance(error, RunnerAway):
            self._engine_is_away()
        if self._trouble != str(error):
            unforeseen = None if isinstance(error, _FORESEEN) else error
            _log.warning("job_waits", job_id=self._job.job_id, why=str(error), exc_info=unforeseen)
            self._pause = _FIRST_PAUSE_SECONDS
        self._again, self._trouble = True, str(error)
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        return pause * uniform(0.8, 1.2)

    async def _go_on(self) -> None:
        if not await self._is_still_running():
            return
        try:
            run = run_of(self._job, self._files)
        except CannotRun as error:
            await self._store.finish(self._job, could_not_start(str(error)))
            return
        outcome = await self._outcome(run)
        await self._store.finish(self._job, outcome)
        await self._runner.remove(run)

    async def _is_still_running(self) -> bool:
        # Also where it was claimed just now: before its lock was, another one may have taken it over.
        number = self._job.attempt.number
        self._job = await self._store.find(self._job.job_id)
        self._again = self._again or self._job.attempt.log_base is not None
        return self._job.attempt.number == number and self._job.attempt.status is Status.RUNNING

    async def _outcome(self, run: Run) -> Outcome:
        if self._trouble and is_overdue(self._job, self._terms):
            return could_not_start(f"It did not come to its end in its {run.spec.timeout} s: {self._trouble}")
        try:
            if not await self._has_begun(run):
                lost = exit_after(Exit(None, "lost"), noted_stop(run.folder))
                return outcome_of(lost, run.spec, self._job.attempt, None)
        except CannotRun as error:
            return could_not_start(str(error))
        except StopWanted as stop:
            return outcome_of(Exit(None, stop.why), run.spec, self._job.attempt, None)
        exit_ = await self._followed(run)
        results = await collected(self._runner, run, self._files.artifacts(run.job_id, run.attempt))
        return outcome_of(exit_, run.spec, self._job.attempt, results)

    async def _has_begun(self, run: Run) -> bool:
        """True once the run is going, or has ended; False where it is lost.

        Raises StopWanted and CannotRun, and has not begun then.
        """
        if self._job.attempt.started:
            return not self._again or await self._runner.is_there(run)
        if self._job.attempt.log_base is None:
            length = await self._while_wanted(lambda: self._append_preparation(run))
            self._job = await self._store.prepared(self._job, length)
        if (stop := self._stop_wanted()) and not await self._runner.is_there(run):
            raise StopWanted(stop)
        await self._runner.start(run)
        self._job = await self._store.started(self._job)
        return True

    async def _followed(self, run: Run) -> Exit:
        """Append what the run prints until it has ended, and stop it when it shall not go on."""
        follower = asyncio.create_task(self._append_output(run))
        try:
            self._stopped = self._stopped or noted_stop(run.folder) or await self._why_to_stop(follower)
            if self._stopped:
                with suppress(OSError):
                    note_stop(run.folder, self._stopped)
                await self._runner.stop(run, self._terms.grace_seconds)
            await follower
        finally:
            follower.cancel()
            await asyncio.wait({follower})
        return exit_after(await self._runner.exit(run), self._stopped)

    async def _why_to_stop(self, follower: asyncio.Task[bool]) -> Stopped | None:
        """None where the run has ended by itself. What cannot be followed is stopped all the same."""
        if self._again:
            await asyncio.wait({follower}, timeout=self._terms.settle_seconds)
        try:
            await self._while_wanted(lambda: asyncio.wait({follower}))
        except StopWanted as stop:
            if stop.why == "timeout":
                # This process may have been asleep at the end of the run.
                await asyncio.wait({follower}, timeout=self._terms.settle_seconds)
            if not follower.done() or follower.exception():
                return stop.why
        return None if await follower else "output"

    async def _while_wanted(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` unless, and until, its time is over or it shall be cancelled: then raise StopWanted."""
        if stop := self._stop_wanted():
            raise StopWanted(stop)
        seconds = (ends_at(self._job) - datetime.now(UTC)).total_seconds()
        self._watch = watch = asyncio.timeout(seconds)
        try:
            async with watch:
                return await work()
        except TimeoutError:
            if not watch.expired():
                raise
            raise StopWanted(self._stop_wanted() or "timeout") from None
        finally:
            self._watch = None

    def _stop_wanted(self) -> Stopped | None:
        if self._job.attempt.cancel_wanted:
            return "cancelled"
        return "timeout" if datetime.now(UTC) >= ends_at(self._job) else None

    async def _append_preparation(self, run: Run) -> int:
        return await append_preparation(
            self._runner.prepare(run), self._log_path(), self._secrets(), self._terms.max_log_bytes
        )

    async def _append_output(self, run: Run) -> bool:
        return await append_output(
            self._runner.output(run),
            self._log_path(),
            self._secrets(),
            self._job.attempt.log_base or 0,
            self._terms.max_log_bytes,
        )

    def _log_path(self) -> Path:
        return self._files.log(self._job.job_id, self._job.attempt.number)

    def _secrets(self) -> Collection[str]:
        return secrets_of(self._job.job_id, self._files).values()


def _can_be_tried_again(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, ClaimLost | JobNotFound)
