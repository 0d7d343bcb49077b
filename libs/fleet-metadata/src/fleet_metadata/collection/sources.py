"""How fresh a collector's values are: read at each request, or fetched in the background."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol, TypeVar

from fleet_metadata.collection.attempt import collection_by, guarded
from fleet_metadata.collection.taken import Status, Taken
from fleet_metadata.collector import (
    Closing,
    CollectionFailed,
    Collector,
    NotApplicable,
    Reading,
    RemoteCollector,
)
from fleet_metadata.freshness.refreshed import Fetched, Refreshed
from fleet_metadata.freshness.shared_run import SharedRun

T = TypeVar("T")

DEADLINE_SECONDS = 2.0
"""How long one collector may keep an answer waiting."""
_STOP_SECONDS = 1.0
_NOTHING = object()


class Source(Protocol):
    """One collector, and what it told last."""

    @property
    def collector(self) -> Collector: ...

    async def read(self) -> Taken:
        """What there is to tell now; takes `DEADLINE_SECONDS` at the most and raises nothing."""
        ...

    async def stop(self) -> None: ...


def source_of(collector: Collector, deadline: float = DEADLINE_SECONDS) -> Source:
    """The source that suits `collector`."""
    if isinstance(collector, RemoteCollector):
        return RemoteSource(collector, deadline)
    return LocalSource(collector, deadline)


class LocalSource:
    """Collects at each request; concurrent ones share a collection."""

    def __init__(self, collector: Collector, deadline: float = DEADLINE_SECONDS) -> None:
        self.collector = collector
        self._run = SharedRun(collection_by(collector), deadline)
        self._reading: Reading | None = None
        self._at = 0.0

    async def read(self) -> Taken:
        started = monotonic()
        try:
            reading = await self._run.result()
        except NotApplicable as reason:
            self._reading = None
            return Taken(Status.NOT_APPLICABLE, duration_seconds=monotonic() - started, error=str(reason))
        except (CollectionFailed, TimeoutError) as failed:
            return self._last(str(failed), monotonic() - started)
        now = monotonic()
        self._reading, self._at = reading, now
        return Taken(Status.OK, reading.values, now - started, 0.0, _told(reading.warnings))

    async def stop(self) -> None:
        await self._run.stop(_STOP_SECONDS)
        await _close(self.collector)

    def _last(self, error: str, took: float) -> Taken:
        if self._reading is None:
            return Taken(Status.FAILED, None, took, None, error)
        return Taken(Status.STALE, self._reading.values, took, monotonic() - self._at, error)


class RemoteSource:
    """Answers from what was last fetched about the same subject, and fetches in the background."""

    def __init__(
        self,
        collector: RemoteCollector,
        deadline: float = DEADLINE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.collector: Collector = collector
        self._deadline = deadline
        self._subject = SharedRun(lambda: guarded(collector, collector.subject), deadline)
        self._about: object = _NOTHING
        self._ask_subject = collector.subject
        self._fetched = Refreshed(self._fetch, collector.refresh_seconds, clock=clock)

    async def read(self) -> Taken:
        started = monotonic()
        try:
            subject = await self._subject.result()
        except NotApplicable as reason:
            self._turn_to(_NOTHING)
            return Taken(Status.NOT_APPLICABLE, duration_seconds=monotonic() - started, error=str(reason))
        except (CollectionFailed, TimeoutError) as failed:
            return _taken(self._fetched.last(), str(failed))
        self._turn_to(subject)
        patience = started + self._deadline - monotonic()
        return _taken(await self._fetched.read(patience, overdue=self._deadline))

    async def stop(self) -> None:
        await asyncio.gather(self._subject.stop(_STOP_SECONDS), self._fetched.stop(_STOP_SECONDS))
        await _close(self.collector)

    def _turn_to(self, subject: object) -> None:
        if subject != self._about:
            self._fetched.forget()
            self._about = subject

    async def _fetch(self) -> Reading | NotApplicable:
        about = self._about
        reading = await _or_reason(collection_by(self.collector))
        # The collector asks for the subject itself, and what it found then is not to be told of another one.
        is_same = await _or_reason(lambda: guarded(self.collector, lambda: self._is_about(about)))
        if is_same is not True:
            # Unless a read has begun anew already.
            if self._about is about:
                self._about = _NOTHING
            raise CollectionFailed("what it is about changed while it was collected, and is read anew")
        return reading

    async def _is_about(self, subject: object) -> bool:
        return await self._ask_subject() == subject


async def _or_reason(ask: Callable[[], Awaitable[T]]) -> T | NotApplicable:
    try:
        return await ask()
    except NotApplicable as reason:
        return reason


def _taken(fetched: Fetched[Reading | NotApplicable], error: str | None = None) -> Taken:
    error, took = error or fetched.error, fetched.duration_seconds
    match fetched.value:
        case None:
            return Taken(Status.FAILED, None, took, None, error or "nothing was fetched yet")
        case NotApplicable() as reason:
            return Taken(Status.NOT_APPLICABLE, None, took, None, str(reason))
        case Reading(values, warnings) if error is None:
            return Taken(Status.OK, values, took, fetched.age_seconds, _told(warnings))
        case Reading(values):
            return Taken(Status.STALE, values, took, fetched.age_seconds, error)


def _told(warnings: Sequence[str]) -> str | None:
    return "; ".join(warnings) or None


async def _close(collector: Collector) -> None:
    if isinstance(collector, Closing):
        with suppress(CollectionFailed, NotApplicable, TimeoutError):
            await SharedRun(lambda: guarded(collector, collector.close), _STOP_SECONDS).result()
