"""A log grows by exactly what was printed, whatever stopped its writer."""

import asyncio
import errno
import os
import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_server.running.log_writer import LogUnwritable, LogWriter
from ci_server.running.masking import Masker


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def _bytes_of(log: Path) -> bytes:
    return log.read_bytes()


def _begin(log: Path, data: bytes) -> None:
    log.write_bytes(data)


def _mode(log: Path) -> int:
    return log.stat().st_mode & 0o777


async def test_what_is_written_is_there_at_once(log: Path) -> None:
    with LogWriter(log) as writer:
        assert writer.size == 0
        await writer.write(b"one\n")
        assert (writer.size, _bytes_of(log)) == (4, b"one\n")
        await writer.write(b"")
        await writer.write(b"two\n")
        await writer.sync()
    assert (writer.size, _bytes_of(log)) == (8, b"one\ntwo\n")


async def test_only_its_owner_may_read_a_log(log: Path) -> None:
    with LogWriter(log):
        assert _mode(log) == 0o600


async def test_a_log_is_continued(log: Path) -> None:
    _begin(log, b"one\n")
    with LogWriter(log) as writer:
        assert writer.size == 4
        await writer.write(b"two\n")
    assert _bytes_of(log) == b"one\ntwo\n"


async def test_what_is_large_is_written_whole(log: Path) -> None:
    data = bytes(range(256)) * 4096
    with LogWriter(log) as writer:
        writer.skip(3)
        await writer.write(data)
        assert writer.size == len(data) - 3
    assert _bytes_of(log) == data[3:]


@given(st.lists(st.binary(max_size=20)), st.integers(0, 200))
def test_what_is_skipped_is_dropped_across_writes(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], count: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"

    async def write() -> int:
        with LogWriter(path) as writer:
            writer.skip(count)
            for part in parts:
                await writer.write(part)
            return writer.size

    size = asyncio.run(write())
    assert path.read_bytes() == b"".join(parts)[count:]
    assert size == path.stat().st_size


@pytest.mark.parametrize("stopped_after", [0, 1, 5, 11, 12, 13, 18])
async def test_a_replay_after_a_crash_completes_the_log(log: Path, stopped_after: int) -> None:
    raw, base = b"a secret, and hunter2 too", b"installed\n"
    masker = Masker(["hunter2"])
    whole = masker.feed(raw) + masker.finish()
    _begin(log, base + whole[:stopped_after])
    masker = Masker(["hunter2"])
    with LogWriter(log) as writer:
        writer.skip(writer.size - len(base))
        for byte in raw:
            await writer.write(masker.feed(bytes([byte])))
        await writer.write(masker.finish())
    assert _bytes_of(log) == base + b"a secret, and *** too"


@contextmanager
def _files_of_at_most(size: int) -> Generator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_a_disk_without_room_is_told_and_what_went_in_is_counted(log: Path) -> None:
    with LogWriter(log) as writer:
        with _files_of_at_most(10), pytest.raises(LogUnwritable, match=os.strerror(errno.EFBIG)) as caught:
            await writer.write(b"0123456789abcdef")
        assert str(log) in str(caught.value)
        assert (writer.size, _bytes_of(log)) == (10, b"0123456789")
        await writer.write(b"abcdef")
    assert _bytes_of(log) == b"0123456789abcdef"


async def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(LogUnwritable, match="No such file"):
        LogWriter(tmp_path / "absent" / "log")


async def test_what_is_large_lets_others_run_and_can_be_cancelled(log: Path) -> None:
    data = b"0123456789abcdef" * 64 * 1024
    with LogWriter(log) as writer:
        writing = asyncio.create_task(writer.write(data))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        written = _bytes_of(log)
        assert 0 < len(written) == writer.size < len(data)
    assert data.startswith(written)
