"""Streams of jobs without HTTP, and what their frames say."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ci_server.api.job_events import job_events
from ci_server.api.job_watches import JobWatches
from ci_server.domain.job import Job
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Told:
    """One event."""

    event_id: int
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.data["type"]


def told(frames: Iterable[bytes]) -> list[Told]:
    """The events of some frames, pings left out."""
    return [_told(frame.decode("ascii")) for frame in frames if not frame.startswith(b":")]


def _told(frame: str) -> Told:
    fields = dict(line.split(": ", 1) for line in frame.splitlines() if line)
    assert frame.endswith("\n\n")
    assert fields.keys() == {"data", "id"}
    return Told(int(fields["id"]), json.loads(fields["data"]))


def text_of(events: Iterable[Told]) -> str:
    """The log, as some events tell it."""
    return "".join(event.data["data"] for event in events if event.kind == "log")


class Stream:
    """A stream that is read when the test says so."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        self.frames = frames
        self.events = list[Told]()

    async def next(self) -> Told:
        """The next event; raises StopAsyncIteration where there is none, TimeoutError where none comes."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not (found := told([await anext(self.frames)])):
                pass
        self.events += found
        return found[0]

    async def rest(self) -> list[Told]:
        """All events until the end."""
        rest = list[Told]()
        while True:
            try:
                rest.append(await self.next())
            except StopAsyncIteration:
                return rest


class Streams:
    """Streams of the jobs in a store, which are closed at the end."""

    def __init__(self, watches: JobWatches) -> None:
        self.watches = watches
        self._streams = list[Stream]()

    def of(self, job: Job, offset: int = 0, *, tell_id: bool = False) -> Stream:
        frames = job_events(self.watches, job.job_id, job.attempt, offset, tell_id=tell_id)
        stream = Stream(frames)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        for stream in self._streams:
            await stream.frames.aclose()


@asynccontextmanager
async def streams_of(database: Database, store: JobStore, files: JobFiles) -> AsyncGenerator[Streams]:
    changes = Changes(database)
    watches = JobWatches(store, changes, files, asyncio.Event())
    changes.start()
    watches.start()
    streams = Streams(watches)
    try:
        yield streams
    finally:
        await streams.close()
        await watches.stop()
        await changes.stop()
