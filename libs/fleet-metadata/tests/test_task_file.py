"""What the task file tells, and what is said of one that tells nothing of use."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told
from fleet_metadata.collectors.workspace.task_file import LARGEST_FILE, TaskFile

WELL_BEYOND = 60.0
RIGHT = '"status": "idle|running|completed|failed"'
WHOLE = {
    "status": "running",
    "description": "Fix the login",
    "source": "assistant",
    "updated_at": "2026-11-21T12:00:00Z",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "task.json"


def _write(path: Path, told: Any) -> None:
    path.write_text(json.dumps(told))


def _told(path: Path) -> Told:
    return asyncio.run(TaskFile(path).read())


def _warning(path: Path) -> str:
    told = _told(path)
    assert told.task is None
    assert told.warning is not None
    assert told.warning.startswith(f"FLEET_TASK_FILE {path}")
    return told.warning.removeprefix(f"FLEET_TASK_FILE {path}")


def test_a_whole_file_is_told(path: Path) -> None:
    _write(path, WHOLE)
    assert _told(path) == Told(Task(TaskStatus.RUNNING, "Fix the login", "assistant"))


@pytest.mark.parametrize("status", ["idle", "running", "completed", "failed"])
def test_a_status_alone_is_enough(path: Path, status: str) -> None:
    _write(path, {"status": status})
    assert _told(path) == Told(Task(TaskStatus(status), None, "file"))


@pytest.mark.parametrize(
    "more",
    [
        {"description": None, "source": None, "updated_at": None},
        {"description": "", "source": ""},
        {"updated_at": 1795262400},
        {"updated_at": 1795262400.5},
        {"progress": {"of": [1, 2]}, "Status": "unheard of"},
    ],
)
def test_fields_that_are_empty_or_not_known_do_no_harm(path: Path, more: dict[str, Any]) -> None:
    _write(path, {"status": "failed", **more})
    assert _told(path) == Told(Task(TaskStatus.FAILED, None, "file"))


def test_a_long_description_is_told_whole(path: Path) -> None:
    _write(path, {"status": "running", "description": "x" * 60_000})
    assert _told(path).task == Task(TaskStatus.RUNNING, "x" * 60_000, "file")


def test_it_is_read_anew_each_time(path: Path) -> None:
    file = TaskFile(path)
    assert asyncio.run(file.read()) == Told()
    _write(path, {"status": "running"})
    assert asyncio.run(file.read()) == Told(Task(TaskStatus.RUNNING, None, "file"))
    path.unlink()
    assert asyncio.run(file.read()) == Told()


def test_a_link_is_followed_and_one_that_leads_nowhere_is_no_file(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere.json")
    assert _told(path) == Told()
    _write(path.parent / "elsewhere.json", {"status": "completed"})
    assert _told(path).task == Task(TaskStatus.COMPLETED, None, "file")


def test_bytes_that_are_no_text_are_replaced_and_a_mark_at_the_beginning_is_no_fault(
    path: Path,
) -> None:
    path.write_bytes(b'\xef\xbb\xbf{"status": "idle", "description": "caf\xe9 \\ud800"}')
    assert _told(path).task == Task(TaskStatus.IDLE, "caf\N{REPLACEMENT CHARACTER} \ud800", "file")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is not JSON"),
        ('{"status": "running"', "is not JSON"),
        ("running", "is not JSON"),
        ("[" * 60_000, "is not JSON"),
        ("9" * 60_000, "is not JSON"),
        ('["running"]', "is no JSON object"),
        ('"running"', "is no JSON object"),
        ("null", "is no JSON object"),
        ("{}", "has no status"),
        ('{"status": null}', "has no status"),
        ('{"status": "done"}', "has an unknown status"),
        ('{"status": "Running"}', "has an unknown status"),
        ('{"status": ["running"]}', "has an unknown status"),
        ('{"status": {}}', "has an unknown status"),
        ('{"status": true}', "has an unknown status"),
        ('{"status": "running", "description": ["a"]}', "has a description that is no text"),
        ('{"status": "running", "description": false}', "has a description that is no text"),
        ('{"status": "running", "source": 7}', "has a source that is no text"),
        ('{"status": "running", "updated_at": true}', "has a updated_at that is no text"),
        ('{"status": "running", "updated_at": {}}', "has a updated_at that is no text"),
    ],
)
def test_what_is_wrong_is_told_and_what_is_right(path: Path, content: str, fault: str) -> None:
    path.write_text(content)
    warning = _warning(path)
    assert fault in warning
    assert RIGHT in warning
    assert len(warning) < 200


def test_a_file_may_have_64_kib_and_no_more(path: Path) -> None:
    whole = json.dumps({"status": "running"})
    path.write_text(whole.ljust(LARGEST_FILE))
    assert _told(path).task == Task(TaskStatus.RUNNING, None, "file")
    path.write_text(whole.ljust(LARGEST_FILE + 1))
    assert "has more than 64 KiB" in _warning(path)


def test_a_fifo_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    before, until = threading.active_count(), monotonic() + WELL_BEYOND
    assert _warning(path) == " is a FIFO: it must be a regular file"
    while threading.active_count() > before:
        assert monotonic() < until


def test_who_writes_into_a_fifo_is_not_disturbed(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"for another one")
    assert "is a FIFO" in _warning(path)
    assert os.read(reader, 100) == b"for another one"
    os.close(writer)
    os.close(reader)


def test_a_folder_a_device_and_a_socket_are_no_files(path: Path, tmp_path: Path) -> None:
    assert _warning(tmp_path) == " is a folder: it must be a regular file"
    path.symlink_to("/dev/zero")
    assert _warning(path) == " is a device: it must be a regular file"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert _warning(path) == " is a socket: it must be a regular file"


def test_a_file_that_cannot_be_opened_is_told_with_the_reason(path: Path) -> None:
    path.symlink_to(path)
    assert _warning(path) == ": Too many levels of symbolic links"
    path.unlink()
    path.touch()
    assert _told(path / "below").warning == f"FLEET_TASK_FILE {path / 'below'}: Not a directory"


@contextmanager
def _being_replaced(path: Path) -> Generator[None]:
    ended = threading.Event()

    def replace() -> None:
        new = path.with_suffix(".new")
        while not ended.is_set():
            for status in ("running", "completed"):
                _write(new, {"status": status, "description": status * 3000})
                new.replace(path)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def test_a_file_that_is_being_replaced_is_told_as_it_was_or_as_it_is(path: Path) -> None:
    _write(path, {"status": "idle"})
    file, seen = TaskFile(path), set[TaskStatus]()
    with _being_replaced(path):
        while not seen >= {TaskStatus.RUNNING, TaskStatus.COMPLETED}:
            told = asyncio.run(file.read())
            assert told.warning is None
            assert told.task is not None
            assert told.task.description in {None, told.task.status.value * 3000}
            seen.add(told.task.status)


def test_reading_leaves_no_file_open(path: Path) -> None:
    _write(path, WHOLE)
    before = _open_files()
    for _ in range(20):
        _told(path)
    path.write_text("{")
    _warning(path)
    assert _open_files() == before


def _open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}
