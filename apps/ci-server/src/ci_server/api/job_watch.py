import asyncio
from contextlib import suppress

from ci_server.domain.job import ENDED, Attempt
from ci_server.storage.log_reader import LogReader

_LOOK_SECONDS = 60.0


class JobWatch:
    """One attempt of a job as all of its readers wait for it: where it is, and that its log has grown."""

    def __init__(self, job_id: str, attempt: Attempt, log: LogReader) -> None:
        self.job_id = job_id
        self.number = attempt.number
        self.log = log
        self.attempt: Attempt | None = attempt
        """None once it was deleted."""
        self.position: int | None = None
        """In the queue, from 1, once that is known."""
        self.version = 0
        """Grows with everything that is new."""
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.attempt is None or self.attempt.status in ENDED

    async def news(self, seen: int, seconds: float) -> bool:
        """Wait until `version` is not `seen` any more, for so long at most; whether it is not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.version == seen:
                    await self._news.wait()
        return self.version != seen

    def tell(self) -> None:
        """Wake all readers."""
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    def note(self, attempt: Attempt | None, position: int | None = None) -> None:
        """Where the attempt is now."""
        if (attempt, position) != (self.attempt, self.position):
            self.attempt, self.position = attempt, position
            self.tell()

    async def follow_log(self) -> None:
        """Wake all readers whenever the log has grown, until cancelled."""
        size = 0
        while True:
            if await self.log.grown(size, _LOOK_SECONDS):
                size = self.log.size
                self.tell()
