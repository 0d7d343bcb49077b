"""What is appended to the log of an attempt. Its length alone says how far that has come.

First comes what the preparation prints, of each try of it. From `log_base` on comes what the run prints and nothing
else: whoever goes on reads that from its first byte, and drops as much as the log holds already.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from ci_server.running.log_writer import LogWriter
from ci_server.running.masking import Masker
from ci_server.running.runner import CannotRun

INTERRUPTED = b"\n-- The installation was interrupted; it begins again.\n"


async def append_preparation(
    printed: AsyncIterator[bytes], path: Path, secrets: Iterable[str], most: int
) -> int:
    """Append what a preparation prints until it is done; the length of the log then, which is on the disk.

    Raises LogUnwritable, and CannotRun where it prints more than `most` bytes.
    """
    masker, count = Masker(secrets), 0
    with LogWriter(path) as log:
        if log.size:
            await log.write(INTERRUPTED)
        async with _closed(printed):
            async for chunk in printed:
                count += len(chunk)
                if count > most:
                    raise CannotRun("The installation printed more than a log may hold (CI_MAX_LOG_MB).")
                await log.write(masker.feed(chunk))
        await log.write(masker.finish())
        await log.sync()
        return log.size


async def append_output(
    printed: AsyncIterator[bytes], path: Path, secrets: Iterable[str], log_base: int, most: int
) -> bool:
    """Append what a run prints to what the log holds of it, until it has ended; whether that was all of it.

    It is not where it prints more than `most` bytes: the log has the first ones then. Raises LogUnwritable.
    """
    masker = Masker(secrets)
    with LogWriter(path) as log:
        log.skip(max(log.size - log_base, 0))
        async with _closed(printed):
            async for chunk in printed:
                await log.write(masker.feed(chunk[:most]))
                most -= len(chunk)
                if most < 0:
                    # What the masker holds back may be the beginning of a secret.
                    break
            else:
                await log.write(masker.finish())
        await log.sync()
        return most >= 0


@asynccontextmanager
async def _closed(chunks: AsyncIterator[bytes]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
