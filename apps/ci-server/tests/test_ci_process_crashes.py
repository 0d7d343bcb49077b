import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from ci_process_runs import HOLD, ProcessRuns, process_runs
from ci_running_server import until

from ci_server.domain.course import Exit
from ci_server.runners.process import process_runner
from ci_server.runners.process.descendants import started_at
from ci_server.runners.process.process_runner import SHIM, SOURCES
from ci_server.runners.process.run_folder import RunFolder
from ci_server.runners.process.shim import this_boot
from ci_server.runners.unpacking import remove_tree
from ci_server.running.runner import CannotRun, Run, RunnerAway

BACKEND = """
import fcntl, os, time, zipfile
def build_wheel(folder, *_):
    held = open(os.path.join(os.path.dirname(__file__), "building"), "w")
    fcntl.flock(held, fcntl.LOCK_EX)
    while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
        time.sleep(0.01)
    name, info = "slow-1.0-py3-none-any.whl", "slow-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("slow.py", "SPEED = 0")
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: slow\\nVersion: 1.0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""
SLOW = {
    "requirements.txt": "./lib\n",
    "lib/backend.py": BACKEND,
    "lib/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "slow"\nversion = "1.0"\n',
}
HESITANT = (
    """
import os, time
link = os.link
def late(part, name):
    open("../hesitates", "w").close()
    while not os.path.exists("../go"):
        time.sleep(0.01)
    link(part, name)
os.link = late
"""
    + SHIM
)
"""A shim that waits before it claims its run."""
IMPORT = "python -c 'import slow; print(slow.SPEED)'"


@pytest.fixture(params=["sandbox", "plain"])
async def runs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ProcessRuns]:
    if request.param == "sandbox" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    async with process_runs(tmp_path, sandboxed=request.param == "sandbox") as runs:
        yield runs


@asynccontextmanager
async def a_controller(runs: ProcessRuns, run: Run, mode: str) -> AsyncGenerator[Process]:
    """Another process that prepares and starts the run; killed in the end."""
    folder = runs.files.data_dir.parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ci_process_controller", run.job_id, str(folder), mode, run.command),
        stdout=PIPE,
        cwd=Path(__file__).parent,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def mode_of(request: pytest.FixtureRequest) -> str:
    return request.node.callspec.params["runs"]


async def said(process: Process, word: bytes) -> None:
    assert process.stdout
    async with asyncio.timeout(60):
        while word not in (line := await process.stdout.readline()):
            assert line


async def until_building(runs: ProcessRuns, run: Run) -> Path:
    """Wait until the package of the run is being built; the file that lets it go on."""
    lib = run.folder / "run" / "project" / "lib"
    async with asyncio.timeout(60):
        while not (lib / "building").exists() or not runs.is_held(run, "lib/building"):
            await asyncio.sleep(0.01)
    return lib / "go"


async def until_released(runs: ProcessRuns, run: Run, name: str) -> None:
    with (run.folder / "run" / "project" / name).open() as file:
        await until_free(file.fileno())


async def until_free(file: int) -> None:
    """Wait until nobody holds it."""
    async with asyncio.timeout(60):
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def a_shim(
    runs: ProcessRuns, run: Run, program: str, pass_fds: Sequence[int] = ()
) -> AsyncGenerator[Process]:
    """A shim of that program, told to begin the run, with these descriptors of ours."""
    task = json.dumps(await runs.runner._task(run, RunFolder(run.folder))).encode()
    shim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", program, str(SOURCES)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        pass_fds=pass_fds,
    )
    assert shim.stdin
    shim.stdin.write(task)
    shim.stdin.close()
    yield shim


def shim_of(run: Run) -> int:
    return json.loads((run.folder / "run" / "started").read_text())["pid"]


async def test_a_run_outlives_the_one_who_started_it(
    runs: ProcessRuns, request: pytest.FixtureRequest
) -> None:
    run = runs.made(
        "for n in 1 2 3; do echo $n; sleep 0.2; done; while ! [ -e go ]; do sleep 0.01; done; echo end"
    )
    async with a_controller(runs, run, mode_of(request)) as controller:
        await said(controller, b"started")
    await runs.printed(run, b"2")
    (run.folder / "run" / "project" / "go").touch()
    assert await runs.end_of(run) == (b"1\n2\n3\nend\n", Exit(0))
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"1\n2\n3\nend\n", Exit(0))


async def test_a_run_ends_with_the_one_who_started_it_if_that_is_wanted(
    runs: ProcessRuns, request: pytest.FixtureRequest
) -> None:
    run = runs.made(f"{HOLD} (setsid sleep 1000 &) ; sleep 1000")
    async with a_controller(runs, run, f"{mode_of(request)}-ends") as controller:
        await said(controller, b"started")
        await runs.printed(run, b"ready")
    printed, ended = await runs.end_of(run)
    assert (printed, ended.stopped) == (b"ready\n", "lost")
    await until_released(runs, run, "held")


async def test_an_installation_dies_with_its_controller_and_begins_anew(
    runs: ProcessRuns, request: pytest.FixtureRequest
) -> None:
    run = runs.made(IMPORT, files=SLOW)
    async with a_controller(runs, run, mode_of(request)) as controller:
        await until_building(runs, run)
        controller.kill()
    assert not await runs.runner.is_there(run)
    with (run.folder / "run" / "project" / "lib" / "building").open() as former:
        preparing = asyncio.create_task(runs.prepare(run))
        await until_free(former.fileno())
    (await until_building(runs, run)).touch()
    await preparing
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"0\n", Exit(0))


async def test_a_cancelled_installation_leaves_no_process(runs: ProcessRuns) -> None:
    run = runs.made(IMPORT, files=SLOW)
    preparing = asyncio.create_task(runs.prepare(run))
    await until_building(runs, run)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    await until_released(runs, run, "lib/building")
    await runs.runner.remove(run)
    assert list(run.folder.iterdir()) == []


async def test_an_installation_that_nobody_reads_ends(runs: ProcessRuns) -> None:
    run = runs.made("true")
    async with aclosing(runs.runner.prepare(run)) as output:
        async for _ in output:
            break
    with pytest.raises(CannotRun, match="not prepared"):
        await runs.runner.start(run)
    await runs.prepare(run)
    await runs.runner.start(run)
    assert (await runs.end_of(run))[1] == Exit(0)


async def test_two_jobs_with_the_same_needs_install_once(runs: ProcessRuns) -> None:
    first = runs.made(IMPORT, files=SLOW)
    second = runs.made(IMPORT, files=SLOW)
    shutil.copy(first.project, second.project)
    installing = asyncio.create_task(runs.prepare(first))
    go = await until_building(runs, first)
    async with asyncio.timeout(60), aclosing(runs.runner.prepare(second)) as output:
        assert b"Another job" in await anext(output)
    go.touch()
    assert b"+ slow" in await installing
    assert await runs.prepare(second) == b""
    await runs.runner.start(second)
    assert await runs.end_of(second) == (b"0\n", Exit(0))


async def test_a_run_whose_shim_was_killed_is_lost_with_all_of_its_processes(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} (setsid sleep 1000 &) ; setsid sleep 1000")
    await runs.printed(run, b"ready")
    os.kill(shim_of(run), signal.SIGKILL)
    assert await runs.end_of(run) == (b"ready\n", Exit(None, "lost"))
    await until_released(runs, run, "held")
    assert await runs.runner.is_there(run)
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"ready\n", Exit(None, "lost"))


async def test_stopping_a_run_whose_shim_hangs_kills_both(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} sleep 1000")
    await runs.printed(run, b"ready")
    os.kill(shim_of(run), signal.SIGSTOP)
    await runs.runner.stop(run, 0)
    assert (await runs.end_of(run))[1] == Exit(None, "lost")
    await until_released(runs, run, "held")


async def test_a_shim_holds_nothing_that_its_server_held(runs: ProcessRuns, tmp_path: Path) -> None:
    run = await runs.prepared("echo ready; while ! [ -e go ]; do sleep 0.01; done")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with a_shim(runs, run, SHIM, pass_fds=(lock.fileno(),)) as shim:
            assert (await shim.communicate())[0] == b"started"
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (run.folder / "run" / "project" / "go").touch()
    assert (await runs.end_of(run))[1] == Exit(0)


async def test_a_shim_that_begins_while_its_run_is_removed_runs_nothing(
    runs: ProcessRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await runs.prepared("sleep 1000")

    def once_it_was_claimed(folder: Path) -> None:
        (run.folder / "go").touch()
        until((folder / "started").exists)
        remove_tree(folder)

    monkeypatch.setattr(process_runner, "remove_tree", once_it_was_claimed)
    async with a_shim(runs, run, HESITANT) as shim, asyncio.timeout(60):
        while not (run.folder / "hesitates").exists():
            await asyncio.sleep(0.01)
        await runs.runner.remove(run)
        assert (await shim.communicate())[0] == b"removed"
    assert {path.name for path in run.folder.iterdir()} == {"go", "hesitates"}


async def test_a_removal_that_broke_off_is_finished_by_the_next(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} sleep 1000")
    await runs.printed(run, b"ready")
    folder = RunFolder(run.folder)
    folder.path.rename(folder.withdrawn().path)
    with (folder.withdrawn().project / "held").open() as held:
        await runs.runner.remove_by_name(run.name)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert (list(run.folder.iterdir()), await runs.runner.names()) == ([], [])


async def test_a_shim_that_does_not_answer_is_tried_again(
    runs: ProcessRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await runs.prepared("echo once")
    monkeypatch.setattr(process_runner, "SHIM", "import time; time.sleep(1000)")
    monkeypatch.setattr(process_runner, "START_SECONDS", 0.1)
    with pytest.raises(RunnerAway, match="no answer"):
        await runs.runner.start(run)
    monkeypatch.undo()
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"once\n", Exit(0))


async def test_what_was_prepared_before_the_machine_was_started_anew_is_not_started(
    runs: ProcessRuns,
) -> None:
    run = await runs.prepared("true")
    environment = run.folder / "run" / "environment"
    environment.write_text(environment.read_text().replace(this_boot(), "another-boot"))
    with pytest.raises(CannotRun, match="started anew"):
        await runs.runner.start(run)


@pytest.mark.parametrize("changed", [{"boot": "another"}, {"start": 1}, {"pid": 2**22 + 1}], ids=str)
async def test_a_process_with_the_number_of_the_shim_is_not_taken_for_it(
    runs: ProcessRuns, changed: dict[str, str | int]
) -> None:
    run = await runs.prepared("true")
    me = {"pid": os.getpid(), "start": started_at(os.getpid()), "boot": this_boot()}
    (run.folder / "run" / "output").touch()
    (run.folder / "run" / "started").write_text(json.dumps({**me, **changed}))
    await runs.runner.stop(run, 10)
    assert await runs.runner.exit(run) == Exit(None, "lost")


async def test_a_shim_that_was_told_half_of_it_starts_nothing(runs: ProcessRuns) -> None:
    run = await runs.prepared("echo once")
    told = json.dumps({"folder": str(run.folder / "run"), "command": ["/bin/echo", "twice"]}).encode()[:-5]
    shim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", SHIM, str(SOURCES)), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    answer, _ = await shim.communicate(told)
    assert b"JSONDecodeError" in answer
    assert not await runs.runner.is_there(run)
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"once\n", Exit(0))


async def test_a_folder_that_is_gone_is_no_reason_to_fail_the_job(runs: ProcessRuns) -> None:
    run = runs.made("true")
    shutil.rmtree(run.folder)
    with pytest.raises(RunnerAway, match="prepared on this machine"):
        await runs.prepare(run)
