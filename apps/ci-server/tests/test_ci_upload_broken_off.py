"""An upload that is broken off, or for which there is no room, leaves nothing, and takes no memory."""

import asyncio
import os
import resource
import signal
import threading
import tracemalloc
from pathlib import Path

import pytest
from ci_uploads import (
    END,
    LARGEST,
    TYPE,
    body_of,
    file_part,
    left,
    open_below,
    received_of,
    request_of,
)
from starlette.requests import Request

from ci_server.intake.upload import UploadUnwritable, receive


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "data" / "uploads"


@pytest.mark.parametrize("after", range(6))
async def test_what_is_cancelled_leaves_nothing(uploads: Path, after: int) -> None:
    reached, chunks = asyncio.Event(), [file_part(b"")[:-2], *[bytes(150_000)] * 5]

    async def come() -> dict[str, object]:
        if len(chunks) == 6 - after:
            reached.set()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunks.pop(0), "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    receiving = asyncio.create_task(received_of(uploads, Request(scope, come)))  # type: ignore[arg-type]
    await reached.wait()
    assert len(left(uploads)) == 1
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert left(uploads) == []


@pytest.mark.parametrize("turns", range(12))
async def test_what_is_cancelled_at_any_moment_leaves_nothing_or_all(
    uploads: Path, tmp_path: Path, turns: int
) -> None:
    async def submit() -> None:
        async with receive(request_of([body_of(file_part(bytes(600_000)))]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")

    submitting = asyncio.create_task(submit())
    for _ in range(turns):
        await asyncio.sleep(0)
    submitting.cancel()
    await asyncio.wait([submitting])
    assert left(uploads) == []
    assert [path.stat().st_size for path in left(tmp_path / "kept")] in ([], [600_000])
    assert open_below(tmp_path) == []


async def test_what_is_cancelled_waits_for_the_disk(
    uploads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncing, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slowly(file: int) -> None:
        syncing.set()
        go_on.wait(60)
        fsync(file)

    async def submit() -> None:
        async with receive(request_of([body_of(file_part())]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")

    monkeypatch.setattr(os, "fsync", slowly)
    submitting = asyncio.create_task(submit())
    assert await asyncio.to_thread(syncing.wait, 60)
    for _ in range(3):
        submitting.cancel()
        await asyncio.wait([submitting], timeout=0.02)
    assert not submitting.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    assert (left(uploads), len(left(tmp_path / "kept"))) == ([], 1)


async def test_a_disk_without_room_is_told_and_nothing_stays(uploads: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(UploadUnwritable, match="File too large"):
            await received_of(uploads, request_of([body_of(file_part(bytes(600_000)))]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert left(uploads) == []


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "uploads").touch()
    with pytest.raises(UploadUnwritable, match="Not a directory"):
        await received_of(tmp_path / "uploads", request_of([body_of(file_part())]))


async def test_a_zip_is_never_in_memory(uploads: Path) -> None:
    chunks = (bytes(64 * 1024) for _ in range(800))
    head = file_part(b"")[:-2]
    request = request_of(part for part in [head, *chunks, b"\r\n" + END])
    del head
    tracemalloc.start()
    try:
        async with receive(request, uploads, 10**8) as upload:
            assert upload.size == 800 * 64 * 1024
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
