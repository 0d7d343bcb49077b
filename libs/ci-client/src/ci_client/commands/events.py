import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from ci_client.errors import CiError
from ci_client.event_stream import Event, EventStream

_MOST_WAITING = 1000
_LOOK_SECONDS = 0.2

Paused = tuple[CiError, float]


class BackgroundEvents:
    """The events of a stream, read in a thread, so that whoever takes them can do other things meanwhile."""

    def __init__(self, opened: Callable[[Callable[[CiError, float], object]], EventStream]) -> None:
        """`opened` makes the stream; it is given what to call when the stream waits."""
        self._queue = queue.Queue[Event | Paused | BaseException](_MOST_WAITING)
        self._left = threading.Event()
        self.stream = opened(lambda error, seconds: self._put((error, seconds)))
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()

    def take(self) -> Event | Paused | None:
        """The next event, or why the stream waits and for how long; None if there is neither for a while.

        Raises what the stream raised.
        """
        try:
            taken = self._queue.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None
        if isinstance(taken, BaseException):
            raise taken
        return taken

    def _read(self) -> None:
        try:
            for event in self.stream:
                self._put(event)
                if self._left.is_set():
                    return
        except Exception as error:  # noqa: BLE001  # is raised in the other thread
            self._put(error)

    def _put(self, item: Event | Paused | BaseException) -> None:
        while not self._left.is_set():
            try:
                return self._queue.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
        return None


class Interrupts:
    """Notes a Ctrl-C within the context instead of raising; the next one before `answered` raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.pending = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def answered(self) -> None:
        self.pending = False

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True
