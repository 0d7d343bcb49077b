import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class CancelledAt:
    """Awaits `work`, and cancels the calling task as it waits for the `at`-th time, or from then on each time."""

    def __init__(self, at: int, work: Coroutine[Any, Any, object], *, again: bool = False) -> None:
        self.times = 0
        self._at = at
        self._again = again
        self._work = work

    @property
    def was_cancelled(self) -> bool:
        return self.times >= self._at

    def __await__(self) -> Generator[Any, Any, object]:
        error: BaseException | None = None
        while True:
            try:
                future = self._work.throw(error) if error else self._work.send(None)
            except StopIteration as end:
                return end.value
            self.times += 1
            if self.times == self._at or (self._again and self.times > self._at):
                task = asyncio.current_task()
                assert task
                task.cancel()
            error = None
            try:
                yield future
            except BaseException as thrown:  # noqa: BLE001  # it is the business of `work`
                error = thrown
