"""What is uploaded goes to the disk as it comes, and nothing of it stays there that was not kept."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ci_uploads import (
    END,
    LARGEST,
    TYPE,
    body_of,
    content_of,
    file_part,
    left,
    part,
    received_of,
    request_of,
)
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


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "data" / "uploads"


async def test_a_zip_and_fields_come(uploads: Path) -> None:
    body = body_of(
        part("branch", b"main"), file_part(b"PK..\r\n--a-boundar"), part("env", b"A=1"), part("env", b"B=2")
    )
    content, told = await received_of(uploads, request_of([body]))
    assert content == b"PK..\r\n--a-boundar"
    assert getattr(told["spec"], "branch", None) == "main"
    assert getattr(told["spec"], "env", None) == {"A": "1", "B": "2"}
    assert left(uploads) == []


@given(st.binary(max_size=200), st.text(max_size=20), st.data())
def test_how_a_body_is_cut_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, branch: str, draw: st.DataObject
) -> None:
    branch = "".join(filter(str.isprintable, branch)).strip() or "main"
    body = body_of(file_part(content), part("branch", branch.encode()))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    uploads = tmp_path_factory.mktemp("uploads")
    received, told = asyncio.run(received_of(uploads, request_of(chunks)))
    assert received == content
    assert getattr(told["spec"], "branch", None) == branch


async def test_what_is_kept_is_complete_and_only_its_owners(uploads: Path, tmp_path: Path) -> None:
    destination = tmp_path / "data" / "jobs" / "1"
    body = body_of(file_part(), part("secrets", b"TOKEN=hunter2"), part("secrets", b"LINES=a\r\nb"))
    async with receive(request_of([body]), uploads, LARGEST) as upload:
        await upload.keep(destination)
    assert left(uploads) == []
    assert content_of(destination / "project.zip") == b"a zip"
    assert json.loads(content_of(destination / "secrets.json")) == {"TOKEN": "hunter2", "LINES": "a\r\nb"}
    assert {path.stat().st_mode & 0o777 for path in left(destination)} == {0o600}
    assert destination.stat().st_mode & 0o777 == 0o700


async def test_without_secrets_there_is_no_file_of_them(uploads: Path, tmp_path: Path) -> None:
    async with receive(request_of([body_of(file_part())]), uploads, LARGEST) as upload:
        await upload.keep(tmp_path / "kept")
    assert [path.name for path in left(tmp_path / "kept")] == ["project.zip"]


async def test_what_fails_after_it_was_kept_leaves_it(uploads: Path, tmp_path: Path) -> None:
    async def fail() -> None:
        async with receive(request_of([body_of(file_part())]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert len(left(tmp_path / "kept")) == 1


async def test_nothing_takes_the_place_of_a_job(uploads: Path, tmp_path: Path) -> None:
    async def keep(content: bytes) -> None:
        async with receive(request_of([body_of(file_part(content))]), uploads, LARGEST) as upload:
            await upload.keep(tmp_path / "kept")

    await keep(b"first")
    with pytest.raises(UploadUnwritable, match="not empty"):
        await keep(b"second")
    assert content_of(tmp_path / "kept" / "project.zip") == b"first"
    assert left(uploads) == []


REFUSED: dict[str, tuple[Callable[[], Request], str]] = {
    "no body": (lambda: request_of([]), "before its last boundary"),
    "not multipart": (lambda: request_of([b"PK\3\4" * 100]), "not good multipart"),
    "other boundary": (
        lambda: request_of([body_of(file_part()).replace(b"a-bound", b"b-bound")]),
        "not good multipart",
    ),
    "long boundary": (lambda: request_of([b""], content_type=TYPE + "x" * 300), "boundary is not good"),
    "no file": (lambda: request_of([body_of(part("branch", b"main"))]), "no file"),
    "nothing": (lambda: request_of([b"--a-boundary--\r\n"]), "no file"),
    "two files": (lambda: request_of([body_of(file_part(), file_part())]), "more than once"),
    "no end": (lambda: request_of([file_part()]), "before its last boundary"),
    "in its file": (lambda: request_of([file_part()[:-5]]), "before its last boundary"),
    "left": (lambda: request_of([file_part()], ends=False), "broke off"),
    "left in its file": (lambda: request_of([file_part()[:-5]], ends=False), "broke off"),
    "no name": (lambda: request_of([body_of(part("x", b"y").replace(b'; name="x"', b""))]), "no name"),
    "no header": (lambda: request_of([b"--a-boundary\r\n\r\nx\r\n" + END]), "no name"),
    "bad header": (lambda: request_of([b"--a-boundary\r\n: x\r\n\r\nx\r\n" + END]), "not good multipart"),
    "long header": (lambda: request_of([part("x", b"", "y" * 9000)]), "not good multipart"),
    "many headers": (lambda: request_of([part("x", b"", "\r\nA: b" * 20)]), "not good multipart"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_body_that_is_not_as_it_should_be_is_refused(uploads: Path, name: str) -> None:
    make, why = REFUSED[name]
    with pytest.raises(UploadRefused) as caught:
        await received_of(uploads, make())
    assert why in str(caught.value)
    assert left(uploads) == []


@pytest.mark.parametrize(
    "content_type", ["", "application/zip", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_a_body_of_another_type_is_refused(uploads: Path, content_type: str) -> None:
    with pytest.raises(Problem) as caught:
        await received_of(uploads, request_of([b"x"], content_type=content_type))
    assert caught.value.status == 415
    assert left(uploads) == []


@pytest.mark.parametrize(
    ("part", "path", "reason"),
    [
        (part("zip", b"x"), "/body/zip", "There is no such field; the fields are file, command,"),
        (part("zip", b"x" * (LARGEST_FIELD + 1)), "/body/zip", "There is no such field"),
        (part("a/b", b"x"), "/body/a~1b", "There is no such field"),
        (part("branch", b"\xff"), "/body/branch", "not UTF-8"),
        (part("timeout", b"soon"), "/body/timeout", "valid integer"),
    ],
    ids=["unknown", "unknown and large", "with a slash", "not UTF-8", "no number"],
)
async def test_fields_that_are_not_as_they_should_be_are_named(
    uploads: Path, part: bytes, path: str, reason: str
) -> None:
    with pytest.raises(Problem) as caught:
        await received_of(uploads, request_of([body_of(file_part(), part)]))
    (fault,) = caught.value.errors
    assert (caught.value.status, fault.path) == (422, path)
    assert reason in fault.reason
    assert left(uploads) == []


async def test_a_zip_has_a_limit_on_both_sides(uploads: Path) -> None:
    content, _ = await received_of(uploads, request_of([body_of(file_part(bytes(LARGEST)))]))
    assert len(content) == LARGEST
    with pytest.raises(UploadTooLarge, match="at most 1,000,000 bytes"):
        await received_of(uploads, request_of([body_of(file_part(bytes(LARGEST + 1)))]))
    assert left(uploads) == []


async def test_what_is_too_large_is_refused_while_it_comes(uploads: Path) -> None:
    asked = 0

    async def come() -> dict[str, object]:
        nonlocal asked
        asked += 1
        assert asked < 1000
        return {
            "type": "http.request",
            "body": body_of(file_part()) if asked == 1 else bytes(50_000),
            "more_body": True,
        }

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    with pytest.raises(UploadTooLarge):
        await received_of(uploads, Request(scope, come))  # type: ignore[arg-type]
    assert asked == (LARGEST + AROUND_THE_FILE) // 50_000 + 2
    assert left(uploads) == []


async def test_what_says_that_it_is_too_large_is_refused_unread(uploads: Path) -> None:
    most = LARGEST + AROUND_THE_FILE
    with pytest.raises(UploadTooLarge):
        await received_of(uploads, request_of([body_of(file_part())], length=most + 1))
    assert not uploads.exists()  # noqa: ASYNC240  # a test
    await received_of(uploads, request_of([body_of(file_part())], length=most))


@pytest.mark.parametrize(
    ("good", "bad", "why"),
    [
        (
            [part("command", b"x" * LARGEST_FIELD)],
            [part("command", b"x" * (LARGEST_FIELD + 1))],
            "`command` has more than",
        ),
        (
            [part("env", b"A%02d=" % n + b"x" * (LARGEST_FIELDS // 32 - 4)) for n in range(32)],
            [part("env", b"A%02d=" % n + b"x" * (LARGEST_FIELDS // 32 - 4)) for n in range(32)]
            + [part("branch", b"x")],
            "more than 1,048,576 bytes together",
        ),
        (
            [part("env", b"A%d=" % n) for n in range(MOST_PARTS - 1)],
            [part("env", b"A%d=" % n) for n in range(MOST_PARTS)],
            "at most 1,000 parts",
        ),
    ],
    ids=["a field", "fields", "parts"],
)
async def test_fields_have_limits_on_both_sides(
    uploads: Path, good: list[bytes], bad: list[bytes], why: str
) -> None:
    await received_of(uploads, request_of([body_of(file_part(), *good)]))
    with pytest.raises(UploadTooLarge, match=why):
        await received_of(uploads, request_of([body_of(file_part(), *bad)]))
    assert left(uploads) == []


@pytest.mark.parametrize(("silent", "refused"), [(SILENT_SECONDS - 1, False), (SILENT_SECONDS + 1, True)])
async def test_a_sender_who_falls_silent_is_not_waited_for(
    uploads: Path, skip_ahead: Callable[[float], None], silent: float, refused: bool
) -> None:
    reached, go_on, body = asyncio.Event(), asyncio.Event(), body_of(file_part())

    async def come() -> dict[str, object]:
        if reached.is_set():
            await go_on.wait()
            return {"type": "http.request", "body": body[10:]}
        reached.set()
        return {"type": "http.request", "body": body[:10], "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", TYPE.encode())]}
    receiving = asyncio.create_task(received_of(uploads, Request(scope, come)))  # type: ignore[arg-type]
    await reached.wait()
    # What waits for the rest has its timer by now.
    await asyncio.sleep(0)
    skip_ahead(silent)
    if refused:
        with pytest.raises(Problem, match="send it again") as problem:
            await asyncio.wait_for(receiving, 30)
        assert problem.value.status == 408
        assert left(uploads) == []
    else:
        await asyncio.sleep(0)
        go_on.set()
        assert (await receiving)[0] == b"a zip"
