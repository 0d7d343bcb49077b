"""Running the sources that are asked on a schedule or by request, each by one process at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from dependency_graph.application.ports import Graph, SyncRuns, Turn
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable, SourceFailed, SourceNotFound
from dependency_graph.domain.sync_run import RunStatus, SyncRun, next_run

LONGEST_RUN_SECONDS = 600
LONGEST_WAIT_SECONDS = 660
STORING_SECONDS = 10
STOP_SECONDS = 2
_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 1.0
_ATTEMPTS = 100

Changes = Mapping[str, Any]
Transaction = Callable[[], AbstractAsyncContextManager[Graph]]
Meter = Callable[[str, RunStatus, float], None]
"""Counts a run: its source, how it ended, and the seconds it took."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """What can be run by its name.

    `run` asks whatever it asks, then enters the transaction once to store it, and tells what changed. It
    raises SourceFailed with what to do. `missing` says which setting keeps it from running. A source without
    an interval runs by request only; `first_after` is how long a new database waits for the first run.
    `longest_backoff` is how long the next try may be put off after failures, if less than the interval.
    """

    name: str
    interval: timedelta | None
    run: Callable[[Transaction], Awaitable[Changes]]
    missing: str | None = None
    first_after: timedelta = timedelta(0)
    longest_backoff: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source, its last runs with the newest first, and when it runs next if it is scheduled."""

    source: Source
    history: Sequence[SyncRun]
    next_run_at: datetime | None


class Sync:
    """Runs sources in the background. All methods raise GraphUnavailable or GraphBusy; call `stop` at the end."""

    def __init__(
        self,
        sources: Collection[Source],
        runs: SyncRuns,
        meter: Meter,
        longest_seconds: float = LONGEST_RUN_SECONDS,
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self._runs = runs
        self._meter = meter
        self._longest_seconds = longest_seconds
        self._longest_wait_seconds = longest_wait_seconds
        self._tasks: dict[UUID, asyncio.Task[SyncRun]] = {}
        self._errors: dict[str, str | None] = {}

    async def start(self, name: str) -> SyncRun:
        """Run a source now; its record, or that of the run that is under way. Raises SourceNotFound."""
        if name not in self.sources:
            raise SourceNotFound(name, self.sources)
        for _ in range(_ATTEMPTS):
            if run := await self._begun(self.sources[name]) or await self._under_way(name):
                return run
            # Another run has its turn and no record yet, or its record is complete and its turn about to end.
            await asyncio.sleep(_POLL_SECONDS)
        raise GraphBusy

    async def finished(self, run: SyncRun) -> SyncRun:
        """`run` when it has ended, whichever process runs it.

        One of another process is told as running where it has not ended in the time that any run may take.
        """
        if task := self._tasks.get(run.run_id):
            return await asyncio.shield(task)
        deadline = time.monotonic() + self._longest_wait_seconds
        pause = _POLL_SECONDS
        while (
            known := await self._recorded(run)
        ).status is RunStatus.RUNNING and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL_SECONDS)
        return known

    async def states(self) -> Sequence[SourceState]:
        """How every source stands."""
        histories = await self._runs.histories(self.sources)
        return [_state(source, histories.get(name, [])) for name, source in self.sources.items()]

    async def stop(self) -> None:
        """Interrupt what runs here, record that, and end within two seconds."""
        # A task that is cancelled before its first step would neither record that nor end its turn.
        await asyncio.sleep(0)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    async def _begun(self, source: Source) -> SyncRun | None:
        turn = await self._runs.take_turn(source.name)
        if turn is None:
            return None
        try:
            run = await turn.begin()
        except BaseException:
            await turn.end()
            raise
        task = asyncio.create_task(self._work(source, turn, run))
        self._tasks[run.run_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.run_id, None))
        return run

    async def _recorded(self, run: SyncRun) -> SyncRun:
        history = (await self._runs.histories([run.source])).get(run.source, [])
        gone = run.failed(
            "There is no record of the run any more; the log of the service tells how it ended."
        )
        return next((known for known in history if known.run_id == run.run_id), gone)

    async def _under_way(self, name: str) -> SyncRun | None:
        history = (await self._runs.histories([name])).get(name)
        return history[0] if history and history[0].status is RunStatus.RUNNING else None

    async def _work(self, source: Source, turn: Turn, run: SyncRun) -> SyncRun:
        started = time.perf_counter()
        run = await self._outcome(source, turn, run)
        seconds = time.perf_counter() - started
        self._meter(source.name, run.status, seconds)
        self._log(run, seconds)
        try:
            async with asyncio.timeout(STORING_SECONDS):
                return await turn.finish(run)
        except (GraphUnavailable, GraphBusy, TimeoutError) as error:
            # It is told as interrupted from now on, as nobody has its turn.
            _log.warning("sync_run_not_recorded", source=source.name, error=str(error))
            return run
        finally:
            await turn.end()

    def _log(self, run: SyncRun, seconds: float) -> None:
        # What is away may be so for days, and is asked every minute.
        repeated = run.error is not None and run.error == self._errors.get(run.source)
        self._errors[run.source] = run.error
        level = logging.INFO if run.status is RunStatus.SUCCEEDED else logging.WARNING
        told = {"status": run.status, "ms": round(seconds * 1000), "error": run.error}
        _log.log(logging.DEBUG if repeated else level, "sync_run", source=run.source, **told)

    async def _outcome(self, source: Source, turn: Turn, run: SyncRun) -> SyncRun:
        """How `run` ended, which is always told and never raised."""
        try:
            if source.missing:
                return run.failed(source.missing)
            async with asyncio.timeout(self._longest_seconds):
                return run.succeeded(await source.run(turn.transaction))
        except (SourceFailed, GraphUnavailable, GraphBusy) as error:
            return run.failed(str(error))
        except TimeoutError:
            return run.failed(
                f"The run took more than {self._longest_seconds:g} s and was ended; see the log."
            )
        except asyncio.CancelledError:
            if task := asyncio.current_task():
                task.uncancel()
            return run.failed(
                "Interrupted: the service was stopped during the run; the next run starts anew."
            )
        except Exception:  # noqa: BLE001  # where a run ends
            _log.exception("sync_run_broke", source=source.name)
            return run.failed(
                "The fault is on our side; the log of the service tells of it (sync_run_broke)."
            )


def _state(source: Source, history: Sequence[SyncRun]) -> SourceState:
    if source.missing or not source.interval:
        return SourceState(source, history, None)
    return SourceState(source, history, next_run(history, source.interval, source.longest_backoff))
