"""Which running processes are a task, and what is told of them."""

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from time import monotonic

import psutil
import pytest

from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told
from fleet_metadata.collectors.workspace.task_processes import TaskProcesses

SLEEP = shutil.which("sleep") or "/bin/sleep"
PLANTED = "planted-5d0c"
WELL_BEYOND = 60.0
LOOKS_AT_ITSELF = """
import asyncio, json, sys
from fleet_metadata.collectors.workspace import task_processes

task_processes.READ_WITHIN_SECONDS = 30.0
told = asyncio.run(task_processes.TaskProcesses(sys.argv[1:]).read())
print(json.dumps([told.task and told.task.description, told.warning]))
"""

Start = Callable[..., psutil.Process]


@pytest.fixture
def start() -> Generator[Start]:
    """Starts a process, with `executable` where its first argument is not its file."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, executable: str | None = None) -> psutil.Process:
        process = subprocess.Popen(arguments, executable=executable)
        started.append(process)
        return psutil.Process(process.pid)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def name() -> str:
    """A name that no other process has, of the length that the kernel keeps."""
    return f"job-{secrets.token_hex(4)}"


def _named(folder: Path, name: str) -> str:
    program = folder / name
    program.symlink_to(SLEEP)
    return str(program)


async def _told(*patterns: str) -> Told:
    return await TaskProcesses(patterns).read()


def _running(name: str) -> Told:
    return Told(Task(TaskStatus.RUNNING, name, "process"))


async def test_without_patterns_and_without_matches_there_is_no_task(name: str) -> None:
    assert await _told() == Told()
    assert await _told(name, f"*{name}*") == Told()


@pytest.mark.parametrize("pattern", ["{}", "job-*{}", "*{}", "j?b*{}", "[ij]ob*{}"])
async def test_a_process_is_found_by_its_name(start: Start, tmp_path: Path, name: str, pattern: str) -> None:
    start(_named(tmp_path, name), "60")
    assert await _told(pattern.format(name if pattern == "{}" else name[-6:])) == _running(name)


async def test_upper_and_lower_case_are_the_same(start: Start, tmp_path: Path, name: str) -> None:
    start(_named(tmp_path, name.upper()), "60")
    assert await _told(name) == _running(name.upper())
    assert await _told(name.swapcase()) == _running(name.upper())


async def test_a_process_that_ended_is_no_task(start: Start, tmp_path: Path, name: str) -> None:
    process = start(_named(tmp_path, name), "60")
    assert await _told(name) == _running(name)
    process.kill()
    until = monotonic() + WELL_BEYOND
    while process.status() != psutil.STATUS_ZOMBIE:
        assert monotonic() < until
    # Its parent, which is this test, has not asked for its end yet.
    assert process.name() == name
    assert await _told(name) == Told()


async def test_a_process_is_found_by_its_first_argument(start: Start, name: str) -> None:
    start(f"/some/where/{name}", "60", executable=SLEEP)
    assert await _told(name) == _running(name)


async def test_a_script_is_found_by_the_argument_of_its_interpreter(
    start: Start, tmp_path: Path, name: str
) -> None:
    script = tmp_path / name
    script.write_text("import time; time.sleep(60)")
    start(sys.executable, str(script), f"--token={PLANTED}")
    assert await _told(name) == _running(name)
    assert await _told(f"{name}*") == _running(name)


async def test_no_further_argument_counts(start: Start, name: str) -> None:
    start(SLEEP, "60", name)
    assert await _told(name) == Told()


async def test_a_folder_in_an_argument_does_not_count(start: Start, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    start(_named(tmp_path / name, f"x{secrets.token_hex(4)}"), "60")
    assert await _told(name) == Told()


@pytest.mark.parametrize("pattern", ["*{}*", "*{}", "--token=*{}"])
async def test_an_argument_that_may_be_a_secret_is_not_told(start: Start, name: str, pattern: str) -> None:
    start(f"--token={PLANTED}-{name}", "60", executable=SLEEP)
    told = await _told(pattern.format(name))
    assert told.task is not None
    assert told.task.source == "process"
    assert PLANTED not in repr(told)


async def test_what_a_process_puts_behind_its_long_name_is_not_told(
    start: Start, tmp_path: Path, name: str
) -> None:
    long = f"{name}-that-is-longer-than-the-kernel-keeps"
    start(f"{long} --token={PLANTED}", "60", executable=_named(tmp_path, long))
    told = await _told(f"{name}*")
    assert told == _running(long)


async def test_any_pattern_that_fits_all_tells_the_name_of_the_process(start: Start) -> None:
    told = await _told("*")
    assert told.task is not None
    assert told.task.description


async def test_the_first_pattern_with_a_process_tells_the_task(
    start: Start, tmp_path: Path, name: str
) -> None:
    start(_named(tmp_path, f"a{name}"), "60")
    start(_named(tmp_path, f"b{name}"), "60")
    assert await _told(f"none{name}", f"b{name}", f"a{name}") == _running(f"b{name}")
    assert await _told(f"a{name}", f"b{name}") == _running(f"a{name}")


def test_the_server_itself_is_no_task(tmp_path: Path, name: str) -> None:
    script = tmp_path / name
    script.write_text(LOOKS_AT_ITSELF)
    ended = subprocess.run(
        [sys.executable, str(script), name, f"{name}*"], capture_output=True, timeout=60, check=True
    )
    assert json.loads(ended.stdout) == [None, None]
