"""The collector of the workspace: which it is, its task from the first source that knows one, what is in use."""

import asyncio
import json
import logging
import os
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from coder_answers import TOKEN, WORKSPACE, Coder, fault, task
from small_server import Asked, SmallServer, Told, small_server

from fleet_metadata.collection.board import Board
from fleet_metadata.collection.sources import DEADLINE_SECONDS
from fleet_metadata.collector import Closing, Collector, Reading, RemoteCollector
from fleet_metadata.collectors.workspace import (
    WorkspaceCollector,
    coder_tasks,
    resources,
    task_file,
    task_processes,
)
from fleet_metadata.collectors.workspace.cgroup import Cgroup
from fleet_metadata.key import ValueType
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

WELL_BEYOND = 60.0
NO_TASK = ("idle", None, None)
NOT_KNOWN = (None, None, None)
CODER_SAYS = ("running", "Running the tests", "coder")

Make = Callable[..., WorkspaceCollector]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a collector for these settings, in a folder where there is no task file yet."""
    for name in [name for name in os.environ if name.startswith(("CODER_", "FLEET_"))]:
        monkeypatch.delenv(name)

    def make(cgroup: Cgroup | None = None, **settings: Any) -> WorkspaceCollector:
        told: dict[str, Any] = {"metadata_folder": tmp_path, "fleet_task_file": tmp_path / "task.json"}
        return WorkspaceCollector(Workspace(Settings(**told | settings)), cgroup)

    return make


@pytest.fixture
def coder() -> Coder:
    return Coder([task()])


@pytest.fixture
def server(coder: Coder) -> Generator[SmallServer]:
    with small_server(coder) as server:
        yield server


@pytest.fixture
def at_coder(server: SmallServer) -> dict[str, str]:
    """The settings of a workspace in that Coder."""
    return {
        "coder_agent_url": server.url,
        "coder_agent_token": TOKEN,
        "coder_workspace_id": WORKSPACE,
        "coder_workspace_name": "login",
        "coder_workspace_owner": "ada",
        "coder_agent_name": "main",
    }


@pytest.fixture
def process() -> Generator[str]:
    """The name of a process that runs."""
    name = f"job-{os.getpid()}"
    running = subprocess.Popen([name, "60"], executable="/bin/sleep")
    yield name
    running.kill()
    running.wait()


@asynccontextmanager
async def _closed(collector: WorkspaceCollector) -> AsyncGenerator[WorkspaceCollector]:
    try:
        yield collector
    finally:
        await collector.close()


async def _reading(collector: WorkspaceCollector) -> Reading:
    async with _closed(collector):
        return await collector.collect()


def _task(reading: Reading) -> tuple[str, str | None, str | None]:
    return tuple(reading.values[f"workspace_task_{part}"] for part in ("status", "description", "source"))


def test_it_is_a_local_collector_that_is_closed_at_the_end(make: Make) -> None:
    collector: Collector = make()
    assert isinstance(collector, Closing)
    assert not isinstance(collector, RemoteCollector)
    assert (collector.name, collector.prefix) == ("workspace", "workspace_")


def test_its_keys_are_those_of_the_contract(make: Make) -> None:
    keys = {key.name.removeprefix("workspace_"): key for key in make().keys}
    assert {name: key.type for name, key in keys.items()} == {
        "id": ValueType.STRING,
        "name": ValueType.STRING,
        "owner": ValueType.STRING,
        "agent_name": ValueType.STRING,
        "task_status": ValueType.ENUM,
        "task_description": ValueType.STRING,
        "task_source": ValueType.STRING,
        "cpu_percent": ValueType.NUMBER,
        "memory_percent": ValueType.NUMBER,
        "disk_percent": ValueType.NUMBER,
    }
    assert keys["task_status"].values == ("idle", "running", "completed", "failed")
    listed = {name for name, key in keys.items() if key.in_list}
    assert listed == {"name", "owner", "task_status", "task_description"}


async def test_outside_of_coder_and_without_a_task_the_rest_is_null(make: Make) -> None:
    collector = make()
    reading = await _reading(collector)
    assert {key.name for key in collector.keys} == set(reading.values)
    assert [key.fault(reading.values[key.name]) for key in collector.keys] == [None] * len(collector.keys)
    identity = ("workspace_id", "workspace_name", "workspace_owner", "workspace_agent_name")
    assert [reading.values[name] for name in identity] == [None] * 4
    assert _task(reading) == NO_TASK
    assert reading.warnings == ()
    assert 0 <= reading.values["workspace_memory_percent"] <= 100
    assert 0 <= reading.values["workspace_disk_percent"] <= 100


async def test_cpu_is_null_at_first_and_then_a_percent(make: Make) -> None:
    async with _closed(make()) as collector:
        until = monotonic() + WELL_BEYOND
        while (cpu := (await collector.collect()).values["workspace_cpu_percent"]) is None:
            assert monotonic() < until
    assert isinstance(cpu, int)
    assert 0 <= cpu <= 100


async def test_in_coder_it_tells_which_workspace_it_is(make: Make, at_coder: dict[str, str]) -> None:
    values = (await _reading(make(**at_coder))).values
    assert values["workspace_id"] == WORKSPACE
    assert values["workspace_name"] == "login"
    assert values["workspace_owner"] == "ada"
    assert values["workspace_agent_name"] == "main"


def test_the_environment_that_coder_sets_is_understood(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODER_WORKSPACE_OWNER_NAME", "ada")
    monkeypatch.setenv("CODER_WORKSPACE_AGENT_NAME", "main")
    monkeypatch.setenv("CODER_WORKSPACE_NAME", "login")
    collector = make()
    assert collector._identity == {
        "workspace_id": None,
        "workspace_name": "login",
        "workspace_owner": "ada",
        "workspace_agent_name": "main",
    }


async def test_the_file_goes_before_coder_and_coder_before_processes(
    make: Make, at_coder: dict[str, str], coder: Coder, process: str, tmp_path: Path
) -> None:
    settings = {**at_coder, "fleet_task_processes": [process], "metadata_refresh_seconds": 1}
    _write(tmp_path, {"status": "idle", "source": "assistant"})
    assert _task(await _reading(make(**settings))) == ("idle", None, "assistant")
    _write(tmp_path, {"status": "idle"})
    assert _task(await _reading(make(**settings))) == ("idle", None, "file")
    (tmp_path / "task.json").unlink()
    assert _task(await _reading(make(**settings))) == CODER_SAYS
    coder.tasks = []
    assert _task(await _reading(make(**settings))) == ("running", process, "process")
    assert _task(await _reading(make(**at_coder))) == NO_TASK


def _write(folder: Path, told: Any) -> None:
    (folder / "task.json").write_text(json.dumps(told))


async def test_where_a_source_is_broken_the_next_one_answers_and_a_warning_says_why(
    make: Make, at_coder: dict[str, str], coder: Coder, process: str, tmp_path: Path
) -> None:
    _write(tmp_path, {"status": "done"})
    reading = await _reading(make(**at_coder))
    assert _task(reading) == CODER_SAYS
    assert [warning.partition(":")[0] for warning in reading.warnings] == [
        f"FLEET_TASK_FILE {tmp_path / 'task.json'} has an unknown status"
    ]
    coder.instead = lambda _: fault(500)
    reading = await _reading(make(**at_coder, fleet_task_processes=[process]))
    assert _task(reading) == ("running", process, "process")
    assert [warning[:6] for warning in reading.warnings] == ["FLEET_", "Coder:"]


@pytest.mark.parametrize("missing", ["coder_agent_url", "coder_agent_token", "coder_workspace_id"])
async def test_coder_is_asked_only_where_it_is_known_who_asks_and_for_what(
    make: Make, at_coder: dict[str, str], server: SmallServer, missing: str
) -> None:
    reading = await _reading(make(**{**at_coder, missing: None}))
    assert (_task(reading), reading.warnings, server.asked) == (NO_TASK, (), [])


async def test_the_token_stands_nowhere(
    make: Make, at_coder: dict[str, str], coder: Coder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for status in (200, 401, 403, 404, 429, 500):
        coder.instead = lambda _, status=status: fault(status)
        collector = make(**at_coder)
        reading = await _reading(collector)
        assert reading.warnings
        assert TOKEN not in f"{reading}{collector.keys}{collector!r}"
    assert TOKEN not in caplog.text


def test_all_that_may_hang_one_after_the_other_ends_before_the_deadline(
    patience: pytest.MonkeyPatch,
) -> None:
    patience.undo()
    of_the_task = (
        task_file.READ_WITHIN_SECONDS + coder_tasks._PATIENCE_SECONDS + task_processes.READ_WITHIN_SECONDS
    )
    assert of_the_task < DEADLINE_SECONDS == 2
    assert resources.READ_WITHIN_SECONDS < DEADLINE_SECONDS


async def test_all_that_hangs_at_once_leaves_the_rest(
    make: Make, tmp_path: Path, at_coder: dict[str, str], patience: pytest.MonkeyPatch
) -> None:
    patience.setattr(resources, "READ_WITHIN_SECONDS", 2.0)
    patience.setattr(coder_tasks, "_PATIENCE_SECONDS", 1.0)
    os.mkfifo(tmp_path / "memory.max")
    goes_on = threading.Event()

    def silent(_: Asked) -> Told:
        goes_on.wait(WELL_BEYOND)
        return fault(500)

    with small_server(silent) as slow:
        settings = {**at_coder, "coder_agent_url": slow.url}
        collector = make(Cgroup(tmp_path, tmp_path / "membership"), **settings)
        reading = await asyncio.wait_for(_reading(collector), 60)
        goes_on.set()
    # Let go of who waits for it.
    (tmp_path / "memory.max").write_text("max\n")
    assert reading.values["workspace_name"] == "login"
    assert reading.values["workspace_disk_percent"] is not None
    assert reading.values["workspace_memory_percent"] is None
    assert _task(reading) == NOT_KNOWN
    coder, cpu = reading.warnings
    assert coder.startswith("Coder: no answer for ")
    assert cpu == "CPU and memory: no answer for 2 s"


async def test_a_long_description_is_cut_and_a_secret_in_it_masked_before_it_is_told(
    make: Make, tmp_path: Path
) -> None:
    _write(
        tmp_path, {"status": "running", "description": "push to https://me:hunter2@example.com " + "x" * 9000}
    )
    board = Board([make()])
    answer = await board.read()
    await board.stop()
    description = answer.values["workspace_task_description"]
    assert description.startswith("push to https://example.com x")
    assert len(description) < 4097
    assert answer.truncated == ["workspace_task_description"]
    assert answer.state("workspace")["status"] == "ok"
