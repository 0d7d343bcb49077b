"""What a pod does, in one that runs."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_kubernetes_node import node
from ci_kubernetes_runs import KubernetesRuns, begun, end_of, kubernetes_runs, prepare, until_printed
from ci_wheelhouse import made_wheel, wheelhouse

from ci_server.domain.course import Exit
from ci_server.runners.kubernetes.kubernetes_runner import KubernetesRunner
from ci_server.running.runner import CannotRun

ODD = 'python -c \'import sys; sys.stdout.buffer.write(bytes(range(256)) * 300 + b"\\r\\n" + b"x" * 3_000_000)\''


UP = "python -c 'import time; print(\"up\", flush=True); time.sleep(1000)'"
"""Not `sleep`: a signal that comes while a shell forks is lost."""


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is installed once serves all tests here."""
    folder = tmp_path_factory.mktemp("volume")
    made_wheel(wheelhouse(folder), "broken", "1.0", {"broken.py": ""}, ["is-nowhere"])
    return folder


@pytest.fixture
async def runs(volume: Path) -> AsyncGenerator[KubernetesRuns]:
    async with kubernetes_runs(volume) as runs:
        runs.server.lives["*"] = node(runs.wheels)
        yield runs


@pytest.fixture
async def runner(runs: KubernetesRuns) -> AsyncGenerator[KubernetesRunner]:
    runner = runs.another_runner()
    yield runner
    for name in await runner.names():
        await runner.remove_by_name(name)


async def test_a_pod_runs_the_tests_of_a_project(
    runner: KubernetesRunner, runs: KubernetesRuns, tmp_path: Path
) -> None:
    files = {
        "requirements.txt": b"",
        "src/it.py": b"ANSWER = 42\n",
        "tests/test_it.py": b"from it import ANSWER\ndef test_it(): assert ANSWER == 42\n",
    }
    run = await begun(runner, runs.made("python -m pytest --junitxml=junit.xml", files=files))
    output, ended = await end_of(runner, run)
    assert (b"1 passed" in output, ended) == (True, Exit(0))
    await runner.collect(run, ["*.xml"], tmp_path / "into")
    assert b'tests="1"' in (tmp_path / "into/junit.xml").read_bytes()
    await runner.remove(run)
    assert await runner.names() == []
    assert not (run.folder / "run").exists()
    assert not any(runs.server.resources.values())


async def test_every_byte_that_is_printed_arrives_and_again_on_the_next_call(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made(f"{ODD}; exit 3"))
    printed = bytes(range(256)) * 300 + b"\r\n" + b"x" * 3_000_000
    assert await end_of(runner, run) == (printed, Exit(3))
    assert await end_of(runs.another_runner(), run) == (printed, Exit(3))


async def test_a_command_gets_its_variables_and_dollars_as_they_are(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    command = "echo '$(HOME) $$ $$(x)' \"$GIVEN\" $((1+1)); env | grep KUBERNETES_ || id -u"
    run = await begun(runner, runs.made(command, environment={"GIVEN": "$(HOME) $$ é"}))
    line, user = (await end_of(runner, run))[0].decode().splitlines()
    assert line == "$(HOME) $$ $$(x) $(HOME) $$ é 2"
    assert int(user) > 0


async def test_a_pod_may_write_to_its_project_and_its_temporary_folders_only(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    command = "for at in . /tmp $HOME /environment /environment/venv /usr /; do touch $at/x 2>/dev/null && echo $at; done"
    run = await begun(runner, runs.made(command))
    output, _ = await end_of(runner, run)
    assert output == b".\n/tmp\n/home/ci\n"


async def test_what_is_printed_by_a_process_that_stays_behind_holds_up_nothing(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made("sleep 1000 & echo here"))
    assert await end_of(runner, run) == (b"here\n", Exit(0))


async def test_a_command_that_closes_its_output_runs_on(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made("echo here; exec >&- 2>&-; sleep 0.2; exit 4"))
    assert await end_of(runner, run) == (b"here\n", Exit(4))


async def test_a_run_that_truncates_its_output_loses_nothing(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made("echo one; echo two > /dev/stdout; echo three"))
    assert await end_of(runner, run) == (b"one\ntwo\nthree\n", Exit(0))


async def test_a_run_that_is_stopped_may_say_goodbye(runner: KubernetesRunner, runs: KubernetesRuns) -> None:
    script = "import signal, sys\nsignal.signal(15, lambda *_: (print('bye'), sys.exit(5)))\nprint('up', flush=True)\nwhile True: signal.pause()\n"
    files = {"requirements.txt": b"", "it.py": script.encode()}
    run = await begun(runner, runs.made("python it.py; echo not this", files=files))
    await until_printed(runner, run, b"up\n")
    await runner.stop(run, 60)
    assert await end_of(runner, run) == (b"up\nbye\n", Exit(143))


async def test_a_run_that_ignores_the_signal_is_killed_after_the_grace(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    await until_printed(runner, run, b"up\n")
    await runner.stop(run, 0.2)
    output, ended = await end_of(runner, run)
    assert (output, ended.stopped) == (b"up\n", None)
    assert runs.server.pods == {}


async def test_a_run_that_nobody_stopped_and_that_was_told_to_end_is_lost(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made(UP))
    await until_printed(runner, run, b"up\n")
    pod = runs.server.only_pod()
    pod.asked_to_end.set()
    output, ended = await end_of(runner, run)
    assert (output.startswith(b"up\n"), ended.code, ended.stopped) == (True, 143, "lost")


async def test_a_run_whose_deadline_comes_while_nobody_follows_it_has_timed_out(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made(UP))
    await until_printed(runner, run, b"up\n")
    await runs.server.overtime(f"ours-{run.name}")
    assert (await end_of(runner, run))[1] == Exit(143, "timeout")


async def test_a_run_that_prints_too_much_ends_although_nobody_follows_it(runs: KubernetesRuns) -> None:
    runner = runs.another_runner(most_output=100_000)
    run = await begun(runner, runs.made("yes"))
    async with asyncio.timeout(60):
        output, ended = await end_of(runner, run)
    assert (len(output), ended) == (100_001, Exit(137, "output"))
    await runner.remove(run)


async def test_a_pod_that_is_made_a_second_time_does_not_run_the_command_again(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = await begun(runner, runs.made("echo once"))
    assert await end_of(runner, run) == (b"once\n", Exit(0))
    second = await runs.server.make_another_pod(f"ours-{run.name}")
    assert "is not run again" in json.dumps(second.resource["status"])
    assert await end_of(runner, run) == (b"once\n", Exit(0))


async def test_what_was_installed_is_used_again_and_without_a_pod(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    await prepare(runner, runs.made())
    before = runs.server.requests("POST jobs")
    assert await prepare(runner, runs.made()) == b""
    assert runs.server.requests("POST jobs") == before


async def test_dependencies_that_are_nowhere_are_said_to_be(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = runs.made(files={"requirements.txt": b"broken\n"})
    with pytest.raises(CannotRun, match=r"exit code 1.*end of the log") as refused:
        await prepare(runner, run)
    assert "is-nowhere" in refused.value.__notes__[0]
    assert not any(runs.server.resources.values())


async def test_a_project_that_needs_itself_is_installed(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    files = {"requirements.txt": b"./wheels/own-1.0-py3-none-any.whl\n"}
    folder = runs.wheels.parent / "own"
    folder.mkdir()
    wheel = made_wheel(folder, "own", "1.0", {"own.py": "print('mine')"})
    files["wheels/own-1.0-py3-none-any.whl"] = wheel.read_bytes()
    run = await begun(runner, runs.made("python -c 'import own'", files=files))
    assert await end_of(runner, run) == (b"mine\n", Exit(0))
    shutil.rmtree(folder)


async def test_an_image_that_got_another_python_says_so(
    runner: KubernetesRunner, runs: KubernetesRuns
) -> None:
    run = runs.made()
    await prepare(runner, run)
    key = json.loads((run.folder / "run/prepared").read_text())["environment"]
    environment = runs.files.environments / key / "installed/venv/pyvenv.cfg"
    content = environment.read_text()
    environment.write_text("version_info = 3.1.0\n")
    await runner.start(run)
    try:
        _, ended = await end_of(runner, run)
    finally:
        environment.write_text(content)
    assert ended.stopped == "lost"
    assert "another one when the dependencies were installed" in (ended.why or "")
