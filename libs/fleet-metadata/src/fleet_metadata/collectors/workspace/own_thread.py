import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

from fleet_metadata.collector import CollectionFailed

T = TypeVar("T")


class OwnThread(Generic[T]):
    """Calls `read`, which may block, in a thread of its own, one at a time; `name` is what is read.

    While a call does not come back, from a dead mount say, no other is made. The thread is none of the event
    loop's executor: the server would wait for its end for ever, and others need the few places there.
    """

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self._name = name
        self._read = read
        self._run: Future[T] | None = None

    async def result(self, patience: float) -> T:
        """What the call under way gives, or a new one.

        Raises CollectionFailed: as `read` does, for its OSError, and after `patience` seconds.
        """
        if self._run is None or self._run.done():
            self._run = self._begin()
        try:
            async with asyncio.timeout(patience):
                return await asyncio.wrap_future(self._run)
        except TimeoutError:
            raise CollectionFailed(f"{self._name}: no answer for {patience:g} s") from None
        except OSError as error:
            raise CollectionFailed(f"{self._name}: {error.strerror or type(error).__name__}") from None

    def _begin(self) -> "Future[T]":
        run: Future[T] = Future()
        # From here on, one who stops waiting cancels it for nobody else.
        run.set_running_or_notify_cancel()
        Thread(target=self._work, args=(run,), name=f"reading {self._name}", daemon=True).start()
        return run

    def _work(self, run: "Future[T]") -> None:
        try:
            run.set_result(self._read())
        except (OSError, CollectionFailed) as failed:
            run.set_exception(failed)
        finally:
            # A fault in our code is told by the thread; who waits is not to wait for ever.
            if not run.done():
                run.set_exception(CollectionFailed(f"{self._name}: a fault in the reading, told in the log"))
