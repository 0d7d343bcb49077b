import asyncio
import fcntl
import os
import random
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_process_runs import HOLD, ProcessRuns, process_runs
from ci_wheelhouse import wheelhouse

from ci_server.domain.course import Exit
from ci_server.runners.process.sandbox import interpreter
from ci_server.running.runner import CannotRun

SECRET = "hush-5c1b9a"
BLOB = "import random, sys; sys.stdout.buffer.write(random.Random(7).randbytes(3_000_000))"
DAEMON = """
import fcntl, os, signal, time
held = open("daemon", "w")
fcntl.flock(held, fcntl.LOCK_EX)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
open("born", "w").close()
time.sleep(1000)
"""


@pytest.fixture(params=["sandbox", "plain"])
async def runs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ProcessRuns]:
    if request.param == "sandbox" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    async with process_runs(tmp_path, sandboxed=request.param == "sandbox") as runs:
        yield runs


async def test_pytest_runs_in_the_unpacked_project(runs: ProcessRuns, tmp_path: Path) -> None:
    shutil.rmtree(runs.wheels)
    wheelhouse(tmp_path).rename(runs.wheels)
    tests = "import shop\n\ndef test_price() -> None:\n    assert shop.PRICE == 3\n"
    project = {"src/shop.py": "PRICE = 3\n", "tests/test_shop.py": tests}
    run = await runs.started("python -m pytest -q --junitxml=junit.xml", files=project)
    output, exit_ = await runs.end_of(run)
    assert b"1 passed" in output
    assert exit_ == Exit(0)
    await runs.runner.collect(run, ["junit.xml"], tmp_path / "kept")
    assert 'tests="1"' in (tmp_path / "kept" / "junit.xml").read_text()


async def test_output_and_exit_code_are_those_of_the_command(runs: ProcessRuns) -> None:
    assert await runs.done("echo one; echo two >&2; exit 3") == (b"one\ntwo\n", Exit(3))


@pytest.mark.parametrize(("command", "code"), [("kill -9 $$", 137), ("no-such-program", 127)])
async def test_a_command_that_dies_has_the_exit_code_of_a_shell(
    runs: ProcessRuns, command: str, code: int
) -> None:
    assert (await runs.done(command))[1] == Exit(code)


async def test_output_is_the_same_bytes_each_time(runs: ProcessRuns) -> None:
    run = await runs.started("python blob.py", files={"blob.py": BLOB})
    expected = random.Random(7).randbytes(3_000_000)
    assert (await runs.end_of(run))[0] == expected
    assert (await runs.end_of(run))[0] == expected


async def test_a_hundred_megabytes_come_through_in_small_chunks(runs: ProcessRuns) -> None:
    run = await runs.started("head -c 100000000 /dev/zero")
    sizes = [len(chunk) async for chunk in runs.runner.output(run)]
    assert sum(sizes) == 100_000_000
    assert max(sizes) <= 65_536


async def test_opening_standard_output_anew_loses_nothing(runs: ProcessRuns) -> None:
    command = "echo one; echo two > /dev/stdout; echo three | tee /dev/stderr > /dev/null; echo four"
    assert (await runs.done(command))[0] == b"one\ntwo\nthree\nfour\n"


async def test_a_run_that_closes_its_output_goes_on(runs: ProcessRuns, tmp_path: Path) -> None:
    run = await runs.started("exec >&- 2>&-; sleep 0.3; echo late > late; exit 4")
    assert await runs.end_of(run) == (b"", Exit(4))
    await runs.runner.collect(run, ["late"], tmp_path / "kept")
    assert (tmp_path / "kept" / "late").read_text() == "late\n"


async def test_what_a_run_leaves_behind_ends_with_it(runs: ProcessRuns) -> None:
    command = f"{HOLD} (sleep 1000) & python daemon.py; while ! [ -e born ]; do sleep 0.01; done; exit 5"
    run = await runs.started(command, files={"daemon.py": DAEMON})
    async with asyncio.timeout(60):
        output, exit_ = await runs.end_of(run)
    assert (output, exit_) == (b"ready\n", Exit(5))
    assert not runs.is_held(run)
    assert not runs.is_held(run, "daemon")


async def test_a_run_may_wreck_its_project(runs: ProcessRuns, tmp_path: Path) -> None:
    deep = "import os\nfor _ in range(3000):\n    os.mkdir('deep'); os.chdir('deep')\n"
    command = 'python -c "$DEEP"; mkdir shut; touch shut/x; chmod 000 shut; rm -rf *.txt; chmod 000 .; exit 6'
    run = await runs.started(command, env={"DEEP": deep})
    assert (await runs.end_of(run))[1] == Exit(6)
    await runs.runner.collect(run, ["**"], tmp_path / "kept")
    await runs.runner.remove(run)
    assert list(run.folder.iterdir()) == []
    assert await runs.runner.names() == []


async def test_a_project_that_is_gone_has_no_artifacts(runs: ProcessRuns, tmp_path: Path) -> None:
    run = await runs.started('rm -rf * .[a-z]*; rmdir "$PWD"; cd /; exit 0')
    assert (await runs.end_of(run))[1] == Exit(0)
    await runs.runner.collect(run, ["**"], tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


async def test_the_environment_is_clean_but_for_what_was_asked_for(
    runs: ProcessRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVERS_OWN", "planted")
    output, _ = await runs.done("env", env={"SHOP": "a b\nc", "PATH": "/usr/bin:/bin"})
    assert b"SHOP=a b\nc\n" in output
    assert b"\nPATH=/usr/bin:/bin\n" in b"\n" + output
    names = {line.split("=")[0] for line in output.decode().splitlines() if "=" in line}
    assert names - {"_", "OLDPWD", "SHLVL"} == {
        *("SHOP", "PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "CI_RUN", "PWD")
    }


async def test_home_and_temporary_folder_can_be_written_to(runs: ProcessRuns) -> None:
    command = 'echo x > "$HOME/x" && echo x > "$TMPDIR/x" && cat "$HOME/x" "$TMPDIR/x"'
    assert await runs.done(command) == (b"x\nx\n", Exit(0))


async def test_a_secret_is_no_argument_and_in_no_environment_but_the_runs_own(runs: ProcessRuns) -> None:
    run = await runs.started("echo ready; sleep 1000", env={"TOKEN": SECRET})
    await runs.printed(run, b"ready")
    assert {_read(path.parent / "comm") for path in _telling("environ")} <= {
        *("sh\n", "sleep\n", f"{interpreter().name}\n")
    }
    assert _telling("environ")
    assert _telling("cmdline") == []
    assert [path for path in run.folder.rglob("*") if path.is_file() and SECRET in _read(path)] == []


def _telling(kind: str) -> list[Path]:
    return [path for path in Path("/proc").glob(f"[0-9]*/{kind}") if SECRET in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize(
    "env", [{"A": "b\0--bind\0/\0/host"}, {"A=B": "c"}, {"": "c"}], ids=["nul", "=", "no"]
)
async def test_a_variable_that_is_none_is_refused(runs: ProcessRuns, env: dict[str, str]) -> None:
    run = await runs.prepared("true", env=env)
    with pytest.raises(CannotRun, match="The variable"):
        await runs.runner.start(run)
    assert not await runs.runner.is_there(run)


async def test_what_is_not_prepared_cannot_be_started(runs: ProcessRuns) -> None:
    with pytest.raises(CannotRun, match="not prepared"):
        await runs.runner.start(runs.made("true"))


async def test_a_run_starts_once_however_often_it_is_told_to(runs: ProcessRuns, tmp_path: Path) -> None:
    run = await runs.prepared("echo once")
    others = [runs.another_runner() for _ in range(5)]
    await asyncio.gather(*(one.start(run) for one in [runs.runner, *others]))
    assert await runs.end_of(run) == (b"once\n", Exit(0))
    await runs.another_runner().start(run)
    assert await runs.end_of(run) == (b"once\n", Exit(0))


async def test_a_run_is_there_from_its_start_until_it_is_removed(runs: ProcessRuns) -> None:
    run = await runs.prepared("true")
    assert not await runs.runner.is_there(run)
    assert await runs.runner.names() == [run.name]
    await runs.runner.start(run)
    await runs.end_of(run)
    assert await runs.runner.is_there(run)
    for _ in range(2):
        await runs.runner.remove(run)
        assert not await runs.runner.is_there(run)
    assert await runs.runner.names() == []
    assert list(run.folder.iterdir()) == []


async def test_a_run_of_which_only_the_name_is_known_is_killed_and_removed(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} sleep 1000")
    await runs.printed(run, b"ready")
    with (run.folder / "run" / "project" / "held").open() as held:
        for _ in range(2):
            await runs.another_runner().remove_by_name(run.name)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert (list(run.folder.iterdir()), await runs.runner.names()) == ([], [])
    await runs.runner.remove_by_name("../../etc-1")


async def test_runs_of_another_machine_are_not_ours(runs: ProcessRuns) -> None:
    run = await runs.prepared("true")
    mark = runs.files.data_dir / "process-runs" / run.name
    mark.write_text("another-machine")
    assert await runs.runner.names() == []
    mark.write_text("")
    assert await runs.runner.names() == [run.name]


async def test_stopping_asks_first_and_kills_after_the_grace(runs: ProcessRuns) -> None:
    polite = await runs.started("trap 'echo bye; exit 7' TERM; echo ready; while true; do sleep 0.05; done")
    await runs.printed(polite, b"ready")
    await runs.runner.stop(polite, 60)
    output, exit_ = await runs.end_of(polite)
    assert output.endswith(b"bye\n")
    assert exit_ == Exit(7, "cancelled")
    stubborn = await runs.started(f"{HOLD} trap '' TERM; echo deaf; while true; do sleep 0.05; done")
    await runs.printed(stubborn, b"deaf")
    await runs.runner.stop(stubborn, 0.2)
    assert (await runs.end_of(stubborn))[1] == Exit(137, "cancelled")
    assert not runs.is_held(stubborn)


CLEANING = """
import signal, sys, time
def end(*_):
    time.sleep(0.5)
    print("cleaned", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: time.sleep(0.05)
"""


async def test_what_a_shell_started_has_the_grace_too(runs: ProcessRuns) -> None:
    run = await runs.started("python cleaning.py; echo never", files={"cleaning.py": CLEANING})
    await runs.printed(run, b"ready")
    await runs.runner.stop(run, 60)
    output, exit_ = await runs.end_of(run)
    assert b"cleaned" in output
    assert exit_.stopped == "cancelled"


async def test_stopping_what_has_ended_changes_nothing(runs: ProcessRuns) -> None:
    run = await runs.started("exit 0")
    await runs.end_of(run)
    await runs.runner.stop(run, 10)
    assert await runs.runner.exit(run) == Exit(0)
    await runs.runner.stop(await runs.prepared("true"), 10)


async def test_a_run_uses_as_many_cores_as_it_may(runs: ProcessRuns) -> None:
    count = "python -c 'import os; print(len(os.sched_getaffinity(0)))'"
    assert await runs.done(count, cpus=0.5) == (b"1\n", Exit(0))
    everything = f"{len(os.sched_getaffinity(0))}\n".encode()
    assert await runs.done(count, cpus=10_000) == (everything, Exit(0))
