import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from ci_server.api.job_watch import JobWatch
from ci_server.domain.errors import AttemptNotFound, JobNotFound, StorageUnavailable
from ci_server.domain.job import Attempt, Status
from ci_server.storage.changes import Changes
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.log_reader import LogFollowers

_AGAIN_SECONDS = 1.0
_CHANGES_SECONDS = 60.0
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class JobWatches:
    """The attempts that somebody reads, and what happens to them, whichever process makes it happen.

    However many readers there are, a change of the database is looked at once, by two questions, and one more
    for each attempt that has ended. `stopping` is set when the server begins to stop: readers leave at once.
    """

    def __init__(self, store: JobStore, changes: Changes, files: JobFiles, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self._store = store
        self._changes = changes
        self._files = files
        self._followers = LogFollowers()
        self._watched = dict[tuple[str, int], _Watched]()
        self._stale = asyncio.Event()
        self._tasks = set[asyncio.Task[None]]()

    def start(self) -> None:
        for work in (self._listen, self._look, self._dismiss):
            self._tasks.add(asyncio.create_task(work()))

    async def stop(self) -> None:
        """Let all readers go, and end."""
        self.stopping.set()
        self._tell_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def readers(self) -> int:
        return sum(watched.readers for watched in self._watched.values())

    @asynccontextmanager
    async def watch(self, job_id: str, attempt: Attempt) -> AsyncGenerator[JobWatch]:
        """That attempt's watch, which all of its readers share. `attempt` may be of a moment ago."""
        key = (job_id, attempt.number)
        async with self._followers.follow(self._files.log(*key)) as log:
            watched = self._watched.get(key)
            if watched is None:
                watched = self._watched[key] = _Watched(JobWatch(job_id, attempt, log))
                self._stale.set()
            watched.readers += 1
            try:
                yield watched.watch
            finally:
                watched.readers -= 1
                if not watched.readers:
                    del self._watched[key]
                    watched.task.cancel()

    async def _listen(self) -> None:
        seen = self._changes.version()
        while True:
            seen = await self._changes.wait(seen, _CHANGES_SECONDS)
            self._stale.set()

    async def _dismiss(self) -> None:
        await self.stopping.wait()
        self._tell_all()

    def _tell_all(self) -> None:
        for watched in self._watched.values():
            watched.watch.tell()

    async def _look(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            watches = [watched.watch for watched in self._watched.values()]
            try:
                if watches:
                    await self._note(watches)
            except StorageUnavailable as error:
                _log.warning("jobs_cannot_be_watched", error=str(error))
                self._stale.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _note(self, watches: list[JobWatch]) -> None:
        # In this order, so that a job that is claimed meanwhile is in at least one of the answers.
        positions = await self._store.positions()
        running = {(job.job_id, job.attempt.number): job.attempt for job in await self._store.running()}
        for watch in watches:
            if watch.is_over:
                continue
            key = (watch.job_id, watch.number)
            if key in running:
                watch.note(running[key])
            elif watch.job_id in positions and watch.attempt and watch.attempt.status is Status.QUEUED:
                watch.note(watch.attempt, positions[watch.job_id])
            else:
                await self._note_one(watch)

    async def _note_one(self, watch: JobWatch) -> None:
        try:
            watch.note(await self._store.attempt(watch.job_id, watch.number))
        except (JobNotFound, AttemptNotFound):
            watch.note(None)


class _Watched:
    def __init__(self, watch: JobWatch) -> None:
        self.watch = watch
        self.readers = 0
        self.task = asyncio.create_task(watch.follow_log())
