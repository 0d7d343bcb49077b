import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Self

_AT_ONCE = 64 * 1024


class LogUnwritable(Exception):
    """A log cannot be written, for a full disk for one; the text says which and why."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"The log {path} cannot be written: {error.strerror or error}; put that right, "
            "and it goes on where it stopped."
        )


class LogWriter:
    """Appends to a log, each byte at once, so that the file's length says how far its writer came.

    A context manager. Of one file there is one writer at a time. Raises LogUnwritable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._skip = 0
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self.size = os.fstat(self._file).st_size
            """In bytes, of all that is in the log."""
        except OSError as error:
            raise LogUnwritable(path, error) from error

    def skip(self, count: int) -> None:
        """Drop the next `count` bytes to be written: they are in the log already, and are being replayed."""
        self._skip = count

    async def write(self, data: bytes) -> None:
        """Append `data`. Where it is cancelled or fails, a beginning of it is in the log."""
        dropped = min(self._skip, len(data))
        self._skip -= dropped
        rest = memoryview(data)[dropped:]
        while rest:
            rest = rest[self._append(rest[:_AT_ONCE]) :]
            if rest:
                await asyncio.sleep(0)

    async def sync(self) -> None:
        """Have the disk hold what was written, also through a power cut."""
        try:
            await asyncio.to_thread(os.fsync, self._file)
        except OSError as error:
            raise LogUnwritable(self._path, error) from error

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, part: memoryview) -> int:
        try:
            written = os.write(self._file, part)
        except OSError as error:
            raise LogUnwritable(self._path, error) from error
        self.size += written
        return written
