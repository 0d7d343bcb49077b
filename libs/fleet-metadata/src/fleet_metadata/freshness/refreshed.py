import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Generic, TypeVar

from fleet_metadata.collector import CollectionFailed

T = TypeVar("T")

REFRESH_WITHIN_SECONDS = 20.0
"""How long a fetch may take; nobody waits for it that long."""
_TOO_OLD_SECONDS = 60.0
_APART_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """The last value, None if there was none yet; why there is no newer one; how long the last try took."""

    value: T | None
    age_seconds: float | None
    error: str | None
    duration_seconds: float


class Refreshed(Generic[T]):
    """Answers from what `fetch` last gave, and fetches again in the background when that is asked for.

    `fetch` is called at most every `seconds`, and after `forget` no sooner than two seconds after it was called
    last; one call at a time, which is cancelled after `within` seconds, and raises CollectionFailed.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        seconds: float,
        within: float = REFRESH_WITHIN_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._within = within
        self._clock = clock
        self._run: asyncio.Task[None] | None = None
        self._forgotten = set[asyncio.Task[None]]()
        self._error: str | None = None
        self._barred_until = 0.0
        self._apart_until = 0.0
        self.forget()

    async def read(self, patience: float, overdue: float | None = None) -> Fetched[T]:
        """The last value. Up to `patience` seconds are waited for a first one, and for one in place of one long past.

        A fetch that takes longer than `overdue` seconds, which are those of `patience` by default, is an error.
        """
        ends = self._clock() + patience
        self._begin()
        while (run := self._under_way()) and self._is_wanted() and (left := ends - self._clock()) > 0:
            if not (await asyncio.wait({run}, timeout=left))[0]:
                break
        return self._state(patience if overdue is None else overdue)

    def last(self) -> Fetched[T]:
        """The last value as it is, without asking for another."""
        return self._state(inf)

    def forget(self) -> None:
        """Begin anew: what was fetched, or is being fetched, is of no use any more."""
        if run := self._under_way():
            run.cancel()
            self._forgotten.add(run)
        self._run = None
        self._value: T | None = None
        self._at: float | None = None
        self._tried_at: float | None = None
        self._took = 0.0
        self._started = 0.0
        self._next = self._barred_until
        if self._clock() >= self._barred_until:
            self._error = None

    async def stop(self, within: float) -> None:
        """End a fetch that is under way, and begin no other; waits up to `within` seconds for that."""
        self._barred_until = inf
        self.forget()
        if runs := set(self._forgotten):
            await asyncio.wait(runs, timeout=within)

    def _begin(self) -> None:
        now = self._clock()
        if self._under_way() is None and now >= self._next:
            self._started = max(now, self._apart_until)
            self._next = self._started + self._seconds
            self._run = asyncio.create_task(self._refresh(self._started - now))

    def _under_way(self) -> "asyncio.Task[None] | None":
        return self._run if self._run and not self._run.done() else None

    def _is_wanted(self) -> bool:
        """Whether nothing is known, or what is known, be it an error, is of a time long past."""
        tried_at = self._tried_at
        return tried_at is None or self._clock() - tried_at > self._seconds + _TOO_OLD_SECONDS

    def _state(self, overdue: float) -> Fetched[T]:
        now = self._clock()
        error, took = self._error, self._took
        if self._under_way() and now - self._started >= overdue:
            took = now - self._started
            error = error or f"no answer for {took:.0f} s"
        return Fetched(self._value, None if self._at is None else now - self._at, error, took)

    async def _refresh(self, delay: float) -> None:
        value, error, pause = None, None, 0.0
        if delay > 0:
            await asyncio.sleep(delay)
        try:
            async with asyncio.timeout(self._within):
                await self._end_of_forgotten()
                self._apart_until = self._clock() + min(self._seconds, _APART_SECONDS)
                value = await self._fetch()
        except TimeoutError:
            error = f"no answer within {self._within:g} s"
        except CollectionFailed as failed:
            error, pause = str(failed), failed.retry_in or 0.0
        if self._run is asyncio.current_task():
            self._tell(value, error, pause)

    async def _end_of_forgotten(self) -> None:
        # One that does not end when it is cancelled is not to have another beside it.
        if runs := {run for run in self._forgotten if not run.done()}:
            await asyncio.wait(runs)
        self._forgotten.clear()

    def _tell(self, value: T | None, error: str | None, pause: float) -> None:
        now = self._clock()
        self._run, self._error, self._tried_at = None, error, now
        self._took, self._next = now - self._started, now + max(pause, self._seconds)
        self._barred_until = now + pause
        if value is not None:
            self._value, self._at = value, now
