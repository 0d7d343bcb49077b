import asyncio
import logging
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from dependency_graph.application.sync import Source, SourceState, Sync
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable

RETRY = timedelta(seconds=30)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Schedule:
    """Runs every source when it is due, from `start` to `stop`, and never two runs of one at a time.

    When that is follows from the runs in the database: a restart neither skips one nor repeats it.
    """

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        # It writes a line for every step of every job.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        for source in self._sync.sources.values():
            if source.interval and not source.missing:
                self._plan(source, datetime.now(UTC), first=True)
        self._scheduler.start()

    def stop(self) -> None:
        """Start no more runs. One that is under way ends by itself: it has the turn of its source."""
        self._scheduler.shutdown(wait=False)

    def _plan(self, source: Source, at: datetime, *, first: bool = False) -> None:
        self._scheduler.add_job(
            self._visit,
            "date",
            [source, first],
            run_date=at,
            id=source.name,
            replace_existing=True,
            misfire_grace_time=None,
            # A visit plans the next one before it has ended.
            max_instances=2,
        )

    async def _visit(self, source: Source, first: bool) -> None:
        again_at = datetime.now(UTC) + RETRY
        try:
            again_at = await self._run_if_due(source, first)
        except asyncio.CancelledError:
            # The end of the scheduler, which would log a traceback for each visit that it ends.
            return
        except (GraphUnavailable, GraphBusy) as error:
            _log.warning("schedule_waits", source=source.name, error=str(error))
        finally:
            self._plan(source, again_at)

    async def _run_if_due(self, source: Source, first: bool) -> datetime:
        """Run `source` if it is its time, which a run by request may have moved; when to look again."""
        state = await self._state(source)
        now = datetime.now(UTC)
        if first and not state.history and source.first_after:
            return now + source.first_after
        if state.next_run_at and state.next_run_at > now:
            return state.next_run_at
        await self._sync.finished(await self._sync.start(source.name))
        return (await self._state(source)).next_run_at or now + RETRY

    async def _state(self, source: Source) -> SourceState:
        return next(state for state in await self._sync.states() if state.source is source)
