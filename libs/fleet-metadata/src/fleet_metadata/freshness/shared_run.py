import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedRun(Generic[T]):
    """Runs `work` once for all who ask at the same time, and cancels it after `seconds`."""

    def __init__(self, work: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._ends = 0.0
        self._run: asyncio.Task[T] | None = None

    def begin(self) -> "asyncio.Task[T]":
        """The run under way, or a new one, whose result is for whoever asks."""
        if self._run is None or self._run.done():
            self._run = asyncio.create_task(self._go())
            self._run.add_done_callback(_heard)
            self._ends = monotonic() + self._seconds
        return self._run

    def is_under_way(self) -> bool:
        return self._run is not None and not self._run.done()

    async def result(self) -> T:
        """What came of the run under way, or of a new one; raises what that raises.

        Raises TimeoutError when it takes too long, and at once while one that does not end when it is
        cancelled is still under way.
        """
        run = self.begin()
        if (left := self._ends - monotonic()) > 0:
            # Not awaited itself: one who asks and goes away is not to end it for the others.
            await asyncio.wait({run}, timeout=left)
        if not run.done() or run.cancelled():
            raise self._late()
        return run.result()

    async def stop(self, within: float) -> None:
        """Cancel the run under way, and wait up to `within` seconds for its end."""
        if self._run and not self._run.done():
            self._run.cancel()
            await asyncio.wait({self._run}, timeout=within)

    async def _go(self) -> T:
        limit = asyncio.timeout(self._seconds)
        try:
            # Not by those who wait, who may all be gone. Once only, as what ends may have to clear up.
            async with limit:
                return await self._work()
        except TimeoutError:
            if limit.expired():
                raise self._late() from None
            raise

    def _late(self) -> TimeoutError:
        return TimeoutError(f"no answer within {self._seconds:g} s")


def _heard(run: "asyncio.Task[T]") -> None:
    """Let nobody complain of an error that all who asked went away from."""
    if not run.cancelled():
        run.exception()
