import asyncio
import os
from codecs import utf_8_decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

AT_MOST = 16 * 1024
_LONGEST_CHARACTER = 4


class LogFollowers:
    """Readers of logs that grow, each at its own pace, and one task that looks whether the logs have grown.

    The task lives while there are readers. A log that is not there yet is an empty one.
    """

    def __init__(self, interval: float = 0.015) -> None:
        self._interval = interval
        self._logs = dict[Path, _FollowedLog]()
        self._poller: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self, path: Path) -> AsyncGenerator["LogReader"]:
        log = self._logs.setdefault(path, _FollowedLog(path))
        log.readers += 1
        self._poller = self._poller or asyncio.create_task(self._poll())
        try:
            yield LogReader(log)
        finally:
            self._leave(log)

    def _leave(self, log: "_FollowedLog") -> None:
        log.readers -= 1
        if not log.readers:
            log.close()
            del self._logs[log.path]
        if not self._logs and self._poller:
            self._poller.cancel()
            self._poller = None

    async def _poll(self) -> None:
        while True:
            for log in self._logs.values():
                log.look()
            await asyncio.sleep(self._interval)


class _FollowedLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.readers = 0
        self.growth = asyncio.Event()
        self._seen = 0
        self._file: int | None = None

    def file(self) -> int | None:
        if self._file is None:
            with suppress(FileNotFoundError):
                self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._file

    def size(self) -> int:
        file = self.file()
        return 0 if file is None else os.fstat(file).st_size

    def look(self) -> None:
        # What is wrong with the file is told to those who read it.
        with suppress(OSError):
            if (size := self.size()) != self._seen:
                self._seen = size
                self.growth.set()
                self.growth = asyncio.Event()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


class LogReader:
    """Reads a log; see `LogFollowers`. Offsets and sizes are in bytes. Raises OSError."""

    def __init__(self, log: _FollowedLog) -> None:
        self._log = log

    @property
    def size(self) -> int:
        return self._log.size()

    async def read(self, offset: int, at_most: int = AT_MOST) -> bytes:
        """What is there from `offset` on; nothing where there is nothing yet. Lets others run meanwhile."""
        await asyncio.sleep(0)
        file = self._log.file()
        return b"" if file is None else os.pread(file, at_most, offset)

    async def grown(self, offset: int, timeout: float) -> bool:  # noqa: ASYNC109  # being late is no error here
        """Wait until there is something from `offset` on, for at most `timeout` seconds; whether there is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.size <= offset:
                    await self._log.growth.wait()
        return self.size > offset


class LogTexts:
    """A log as text from a byte offset on: UTF-8, what is not so replaced by U+FFFD, no character cut."""

    def __init__(self, reader: LogReader, offset: int) -> None:
        self._reader = reader
        self.offset = offset
        """Of the byte after the last text."""
        self._read_to = offset

    async def there(self, *, final: bool = False, at_most: int = AT_MOST) -> AsyncGenerator[tuple[str, int]]:
        """What is there now, in parts of at most `at_most` bytes, and the offset after each.

        A character of which a part is missing is left for later, or replaced where the log is `final`.
        Begun again at any of the offsets, the same text follows.
        """
        size = max(at_most, _LONGEST_CHARACTER)
        while data := await self._reader.read(self.offset, size):
            self._read_to = self.offset + len(data)
            text, used = utf_8_decode(data, "replace", final and len(data) < size)
            if not used:
                return
            self.offset += used
            yield text, self.offset

    async def grown(self, timeout: float) -> bool:  # noqa: ASYNC109  # as in LogReader
        """Wait until there is more than `there` has seen, for at most `timeout` seconds; whether there is."""
        return await self._reader.grown(self._read_to, timeout)
