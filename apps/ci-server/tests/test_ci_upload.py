"""What is uploaded goes to the disk as it comes, and nothing of it stays there that was not kept."""

import asyncio
import json
import os
import resource
import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from ci_server.domain.errors import UploadRefused, UploadTooLarge
from ci_server.intake.multipart import (
    AROUND_THE_FILE,
    LARGEST_FIELD,
    LARGEST_FIELDS,
    MOST_PARTS,
)
from ci_server.intake.upload import SILENT_SECONDS, UploadUnwritable, receive
from problem_details import Problem

LARGEST = 1_000_000
BOUNDARY = b"a-boundary"
TYPE = "multipart/form-data; boundary=a-boundary"
END = b"--a-boundary--\r\n"


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "data" / "uploads"


def _part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + value + b"\r\n"


def _file(content: bytes = b"a zip") -> bytes:
    return _part("file", content, '; filename="project.zip"\r\nContent-Type: application/zip')


def _body(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def _request(
    chunks: Iterable[bytes], *, content_type: str = TYPE, length: int | None = None, ends: bool = True
) -> Request:
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"})
    coming = iter(messages)

    async def come() -> dict[str, object]:
        return next(coming)

    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, come)  # type: ignore[arg-type]


async def _received(uploads: Path, request: Request) -> tuple[bytes, dict[str, object]]:
    async with receive(request, uploads, LARGEST) as upload:
        content = _bytes_of(upload.path)
        assert upload.size == len(content)
        return content, {"spec": upload.submission.spec, "secrets": dict(upload.submission.secrets)}


def _bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def _open_below(folder: Path) -> Sequence[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for link in links if (target := str(link.readlink())).startswith(str(folder))]


def _left(uploads: Path) -> Sequence[Path]:
    return list(uploads.iterdir()) if uploads.exists() else []


async def test_a_zip_and_fields_come(uploads: Path) -> None:
    body = _body(
        _part("branch", b"main"), _file(b"PK..\r\n--a-boundar"), _part("env", b"A=1"), _part("env", b"B=2")
    )
    content, told = await _received(uploads, _request([body]))
    assert content == b"PK..\r\n--a-boundar"
    assert getattr(told["spec"], "branch", None) == "main"
    assert getattr(told["spec"], "env", None) == {"A": "1", "B": "2"}
    assert _left(uploads) == []


@given(st.binary(max_size=200), st.text(max_size=20), st.data())
def test_how_a_body_is_cut_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, branch: str, draw: st.DataObject
) -> None:
    branch = "".join(filter(str.isprintable, branch)).strip() or "main"
    body = _body(_file(content), _part("branch", branch.encode()))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    uploads = tmp_path_factory.mktemp("uploads")
    received, told = asyncio.run(_received(uploads, _request(chunks)))
    assert received == content
    assert getattr(told["spec"], "branch", None) == branch


async def test_what_is_kept_is_complete_and_only_its_owners(uploads: Path, tmp_path: Path) -> None:
    destination = tmp_path / "data" / "jobs" / "1"
    body = _body(_file(), _part("secrets", b"TOKEN=hunter2"), _part("secrets", b"LINES=a\r\nb"))
    async with receive(_request([body]), uploads, LARGEST) as upload:
        await upload.keep(destination)
    assert _left(uploads) == []
    assert _bytes_of(destination / "project.zip") == b"a zip"
    assert json.loads(_bytes_of(destination / "secrets.json")) == {"TOKEN": "hunter2", "LINES": "a\r\nb"}
    assert {path.stat().st_mode & 0o777 for path in _left(destination)} == {0o600}
    assert destination.stat().st_mode & 0o777 == 0o700


async def test_without_secrets_there_is_no_file_of_them(uploads: Path, tmp_path: Path) -> None:
    async with receive(_request([_body(_file())]), uploads, LARGEST) as upload:
        await upload.keep(tmp_path / "kept")
    assert [path.name for path in _left(tmp_path / "kept")] == ["project.zip"]


async def test_what_fails_after_it_was_kept_leaves_it(uploads: Path, tmp_path: Path) -> None:
    async def fail() -> None:
        async with receive(_request([_body(_file())]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(_left(tmp_path / "kept")) == 1


async def test_nothing_takes_the_place_of_a_job(uploads: Path, tmp_path: Path) -> None:
    async def keep(content: bytes) -> None:
        async with receive(_request([_body(_file(content))]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")

    await keep(b"first")
    with pytest.raises(UploadUnwritable, match="not empty"):
        await keep(b"second")
    assert _bytes_of(tmp_path / "kept" / "project.zip") == b"first"
    assert _left(uploads) == []


REFUSED: dict[str, tuple[Callable[[], Request], str]] = {
    "no body": (lambda: _request([]), "before its last boundary"),
    "not multipart": (lambda: _request([b"PK\3\4" * 100]), "not good multipart"),
    "other boundary": (
        lambda: _request([_body(_file()).replace(b"a-bound", b"b-bound")]),
        "not good multipart",
    ),
    "long boundary": (lambda: _request([b""], content_type=TYPE + "x" * 300), "boundary is not good"),
    "no file": (lambda: _request([_body(_part("branch", b"main"))]), "no file"),
    "nothing": (lambda: _request([b"--a-boundary--\r\n"]), "no file"),
    "two files": (lambda: _request([_body(_file(), _file())]), "more than once"),
    "no end": (lambda: _request([_file()]), "before its last boundary"),
    "in its file": (lambda: _request([_file()[:-5]]), "before its last boundary"),
    "left": (lambda: _request([_file()], ends=False), "broke off"),
    "left in its file": (lambda: _request([_file()[:-5]], ends=False), "broke off"),
    "no name": (lambda: _request([_body(_part("x", b"y").replace(b'; name="x"', b""))]), "no name"),
    "no header": (lambda: _request([b"--a-boundary\r\n\r\nx\r\n" + END]), "no name"),
    "bad header": (lambda: _request([b"--a-boundary\r\n: x\r\n\r\nx\r\n" + END]), "not good multipart"),
    "long header": (lambda: _request([_part("x", b"", "y" * 9000)]), "not good multipart"),
    "many headers": (lambda: _request([_part("x", b"", "\r\nA: b" * 20)]), "not good multipart"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_body_that_is_not_as_it_should_be_is_refused(uploads: Path, name: str) -> None:
    make, why = REFUSED[name]
    with pytest.raises(UploadRefused) as caught:
        await _received(uploads, make())
    assert why in str(caught.value)
    assert _left(uploads) == []


@pytest.mark.parametrize(
    "content_type", ["", "application/zip", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_a_body_of_another_type_is_refused(uploads: Path, content_type: str) -> None:
    with pytest.raises(Problem) as caught:
        await _received(uploads, _request([b"x"], content_type=content_type))
    assert caught.value.status == 415
    assert _left(uploads) == []


@pytest.mark.parametrize(
    ("part", "path", "reason"),
    [
        (_part("zip", b"x"), "/body/zip", "There is no such field; the fields are file, command,"),
        (_part("zip", b"x" * (LARGEST_FIELD + 1)), "/body/zip", "There is no such field"),
        (_part("a/b", b"x"), "/body/a~1b", "There is no such field"),
        (_part("branch", b"\xff"), "/body/branch", "not UTF-8"),
        (_part("timeout", b"soon"), "/body/timeout", "valid integer"),
    ],
    ids=["unknown", "unknown and large", "with a slash", "not UTF-8", "no number"],
)
async def test_fields_that_are_not_as_they_should_be_are_named(
    uploads: Path, part: bytes, path: str, reason: str
) -> None:
    with pytest.raises(Problem) as caught:
        await _received(uploads, _request([_body(_file(), part)]))
    (fault,) = caught.value.errors
    assert (caught.value.status, fault.path) == (422, path)
    assert reason in fault.reason
    assert _left(uploads) == []


async def test_a_zip_has_a_limit_on_both_sides(uploads: Path) -> None:
    content, _ = await _received(uploads, _request([_body(_file(bytes(LARGEST)))]))
    assert len(content) == LARGEST
    with pytest.raises(UploadTooLarge, match="at most 1,000,000 bytes"):
        await _received(uploads, _request([_body(_file(bytes(LARGEST + 1)))]))
    assert _left(uploads) == []


async def test_what_is_too_large_is_refused_while_it_comes(uploads: Path) -> None:
    asked = 0

    async def come() -> dict[str, object]:
        nonlocal asked
        asked += 1
        assert asked < 1000
        return {
            "type": "http.request",
            "body": _body(_file()) if asked == 1 else bytes(50_000),
            "more_body": True,
        }

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    with pytest.raises(UploadTooLarge):
        await _received(uploads, Request(scope, come))  # type: ignore[arg-type]
    assert asked == (LARGEST + AROUND_THE_FILE) // 50_000 + 2
    assert _left(uploads) == []


async def test_what_says_that_it_is_too_large_is_refused_unread(uploads: Path) -> None:
    most = LARGEST + AROUND_THE_FILE
    with pytest.raises(UploadTooLarge):
        await _received(uploads, _request([_body(_file())], length=most + 1))
    assert not uploads.exists()  # noqa: ASYNC240  # a test
    await _received(uploads, _request([_body(_file())], length=most))


@pytest.mark.parametrize(
    ("good", "bad", "why"),
    [
        (
            [_part("command", b"x" * LARGEST_FIELD)],
            [_part("command", b"x" * (LARGEST_FIELD + 1))],
            "`command` has more than",
        ),
        (
            [_part("env", b"A%02d=" % n + b"x" * (LARGEST_FIELDS // 32 - 4)) for n in range(32)],
            [_part("env", b"A%02d=" % n + b"x" * (LARGEST_FIELDS // 32 - 4)) for n in range(32)]
            + [_part("branch", b"x")],
            "more than 1,048,576 bytes together",
        ),
        (
            [_part("env", b"A%d=" % n) for n in range(MOST_PARTS - 1)],
            [_part("env", b"A%d=" % n) for n in range(MOST_PARTS)],
            "at most 1,000 parts",
        ),
    ],
    ids=["a field", "fields", "parts"],
)
async def test_fields_have_limits_on_both_sides(
    uploads: Path, good: list[bytes], bad: list[bytes], why: str
) -> None:
    await _received(uploads, _request([_body(_file(), *good)]))
    with pytest.raises(UploadTooLarge, match=why):
        await _received(uploads, _request([_body(_file(), *bad)]))
    assert _left(uploads) == []


@pytest.mark.parametrize(("silent", "refused"), [(SILENT_SECONDS - 1, False), (SILENT_SECONDS + 1, True)])
async def test_a_sender_who_falls_silent_is_not_waited_for(
    uploads: Path, skip_ahead: Callable[[float], None], silent: float, refused: bool
) -> None:
    reached, go_on, body = asyncio.Event(), asyncio.Event(), _body(_file())

    async def come() -> dict[str, object]:
        if reached.is_set():
            await go_on.wait()
            return {"type": "http.request", "body": body[10:]}
        reached.set()
        return {"type": "http.request", "body": body[:10], "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    receiving = asyncio.create_task(_received(uploads, Request(scope, come)))  # type: ignore[arg-type]
    await reached.wait()
    # What waits for the rest has its timer by now.
    await asyncio.sleep(0)
    skip_ahead(silent)
    if refused:
        with pytest.raises(Problem, match="send it again") as problem:
            await asyncio.wait_for(receiving, 30)
        assert problem.value.status == 408
        assert _left(uploads) == []
    else:
        await asyncio.sleep(0)
        go_on.set()
        assert (await receiving)[0] == b"a zip"


@pytest.mark.parametrize("after", range(6))
async def test_what_is_cancelled_leaves_nothing(uploads: Path, after: int) -> None:
    reached, chunks = asyncio.Event(), [_file(b"")[:-2], *[bytes(150_000)] * 5]

    async def come() -> dict[str, object]:
        if len(chunks) == 6 - after:
            reached.set()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunks.pop(0), "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    receiving = asyncio.create_task(_received(uploads, Request(scope, come)))  # type: ignore[arg-type]
    await reached.wait()
    assert len(_left(uploads)) == 1
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert _left(uploads) == []


@pytest.mark.parametrize("turns", range(12))
async def test_what_is_cancelled_at_any_moment_leaves_nothing_or_all(
    uploads: Path, tmp_path: Path, turns: int
) -> None:
    async def submit() -> None:
        async with receive(_request([_body(_file(bytes(600_000)))]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")

    submitting = asyncio.create_task(submit())
    for _ in range(turns):
        await asyncio.sleep(0)
    submitting.cancel()
    await asyncio.wait([submitting])
    assert _left(uploads) == []
    assert [path.stat().st_size for path in _left(tmp_path / "kept")] in ([], [600_000])
    assert _open_below(tmp_path) == []


async def test_what_is_cancelled_waits_for_the_disk(
    uploads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncing, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slowly(file: int) -> None:
        syncing.set()
        go_on.wait(60)
        fsync(file)

    async def submit() -> None:
        async with receive(_request([_body(_file())]), uploads, LARGEST) as upload:
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
    assert (_left(uploads), len(_left(tmp_path / "kept"))) == ([], 1)


async def test_a_disk_without_room_is_told_and_nothing_stays(uploads: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(UploadUnwritable, match="File too large"):
            await _received(uploads, _request([_body(_file(bytes(600_000)))]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert _left(uploads) == []


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "uploads").touch()
    with pytest.raises(UploadUnwritable, match="Not a directory"):
        await _received(tmp_path / "uploads", _request([_body(_file())]))


async def test_a_zip_is_never_in_memory(uploads: Path) -> None:
    chunks = (bytes(64 * 1024) for _ in range(800))
    head = _file(b"")[:-2]
    request = _request(part for part in [head, *chunks, b"\r\n" + END])
    del head
    tracemalloc.start()
    try:
        async with receive(request, uploads, 10**8) as upload:
            assert upload.size == 800 * 64 * 1024
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
