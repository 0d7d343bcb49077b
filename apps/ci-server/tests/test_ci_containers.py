import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from ci_containers import (
    MEGABYTE,
    Installation,
    clean,
    collected,
    create_only,
    engine_url,
    new_prefix,
    prepared,
    printed_by,
    ran,
)
from ci_wheelhouse import wheelhouse

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec
from ci_server.runners.container.container_runner import ContainerRunner
from ci_server.running.runner import CannotRun
from ci_server.storage.job_files import JobFiles

pytestmark = pytest.mark.container

ODD = 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 300 + b"\\r\\n" + b"x" * 100_000 + "é€𝄞".encode() * 20_000)'


@pytest.fixture(scope="module")
def url() -> str:
    return engine_url()


@pytest.fixture(scope="module")
def installation(url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    """What is installed once serves all tests here."""
    folder = tmp_path_factory.mktemp("containers")
    installation = Installation(new_prefix(), JobFiles(folder / "data"), wheelhouse(folder))
    yield installation
    asyncio.run(clean(url, installation.prefix))


@pytest.fixture
async def runner(installation: Installation, url: str) -> AsyncGenerator[ContainerRunner]:
    runner = installation.runner(url)
    yield runner
    for name in await runner.names():
        await runner.remove_by_name(name)
    await runner.close()


async def test_a_container_runs_the_tests_of_a_project(
    runner: ContainerRunner, installation: Installation, tmp_path: Path
) -> None:
    files = {
        "requirements.txt": b"",
        "src/it.py": b"ANSWER = 42\n",
        "tests/test_it.py": b"from it import ANSWER\ndef test_it(): assert ANSWER == 42\n",
    }
    run = installation.run("python -m pytest --junitxml=junit.xml", files=files)
    output, ended = await ran(runner, run)
    assert (b"1 passed" in output, ended) == (True, Exit(0))
    assert await collected(runner, run, ["junit.xml"], tmp_path / "into") == ["junit.xml"]
    assert b'tests="1"' in (tmp_path / "into/junit.xml").read_bytes()


async def test_what_was_installed_is_used_again(runner: ContainerRunner, installation: Installation) -> None:
    await prepared(runner, installation.run())
    assert await prepared(runner, installation.run()) == b""


async def test_the_exit_code_of_a_command_is_that_of_its_run(
    runner: ContainerRunner, installation: Installation
) -> None:
    assert (await ran(runner, installation.run("exit 3")))[1] == Exit(3)


async def test_every_byte_that_is_printed_arrives_and_again_on_the_next_call(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("python odd.py", files={"requirements.txt": b"", "odd.py": ODD.encode()})
    first, _ = await ran(runner, run)
    wanted = bytes(range(256)) * 300 + b"\r\n" + b"x" * 100_000 + "é€𝄞".encode() * 20_000
    assert first == wanted
    assert await printed_by(runner, run) == wanted


async def test_output_arrives_while_the_run_goes_on(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("echo begun; while [ ! -e go ]; do sleep 0.05; done; echo over")
    await prepared(runner, run)
    await runner.start(run)
    output = runner.output(run)
    assert await anext(output) == b"begun\n"
    await runner.stop(run, 0)
    assert b"".join([chunk async for chunk in output]) == b""


async def test_a_run_is_confined(runner: ContainerRunner, installation: Installation) -> None:
    script = (
        "id -u; grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status; touch /usr/it 2>&1; touch /environment/it 2>&1; "
        "ls /sys/class/net; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; "
        "touch here $HOME/here $TMPDIR/here && echo written"
    )
    output, ended = await ran(runner, installation.run(script, spec=JobSpec(memory=256 * 1024**2)))
    lines = output.decode().splitlines()
    assert ended == Exit(0), lines
    assert lines[0] == "65534"
    assert "CapBnd:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert sum("Read-only file system" in line for line in lines) == 2
    assert "lo" in lines
    assert not [line for line in lines if line.startswith("eth")]
    assert str(256 * 1024**2) in lines
    assert lines[-1] == "written"


async def test_a_run_that_asks_for_a_network_has_one(
    runner: ContainerRunner, installation: Installation
) -> None:
    output, _ = await ran(runner, installation.run("ls /sys/class/net", spec=JobSpec(network=True)))
    assert b"eth0" in output.split()


async def test_a_run_has_its_variables_and_none_of_the_servers(
    runner: ContainerRunner, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_SERVER", "secret")
    run = installation.run('env; printf "%s" "$GIVEN"', environment={"GIVEN": "a=b\n'c'"})
    output, _ = await ran(runner, run)
    assert output.endswith(b"a=b\n'c'")
    assert b"OF_THE_SERVER" not in output


async def test_what_uses_too_much_memory_ends_for_that(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run(
        'python -c "x = bytearray(10**9); print(len(x))"', spec=JobSpec(memory=64 * 1024**2)
    )
    _, ended = await ran(runner, run)
    assert ended == Exit(137, "memory")


async def test_a_bomb_of_processes_is_bounded(runner: ContainerRunner, installation: Installation) -> None:
    output, ended = await ran(runner, installation.run("while true; do sleep 1000 & done"))
    assert b"Cannot fork" in output
    assert ended == Exit(2)


async def test_a_run_that_is_stopped_may_say_goodbye(
    runner: ContainerRunner, installation: Installation
) -> None:
    script = "import signal, sys\nsignal.signal(15, lambda *_: (print('bye'), sys.exit(5)))\nprint('up', flush=True)\nwhile True: signal.pause()\n"
    run = installation.run(
        "python it.py; echo not this", files={"requirements.txt": b"", "it.py": script.encode()}
    )
    await prepared(runner, run)
    await runner.start(run)
    output = runner.output(run)
    assert await anext(output) == b"up\n"
    await runner.stop(run, 60)
    assert b"".join([chunk async for chunk in output]) == b"bye\n"
    assert await runner.exit(run) == Exit(143)


async def test_a_run_that_ignores_the_signal_is_killed_after_the_grace(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("trap '' TERM; echo up; while :; do sleep 0.1; done")
    await prepared(runner, run)
    await runner.start(run)
    assert await anext(runner.output(run)) == b"up\n"
    await runner.stop(run, 0.2)
    assert await runner.exit(run) == Exit(137)


async def test_a_run_is_never_started_twice(
    runner: ContainerRunner, installation: Installation, url: str
) -> None:
    run = installation.run("echo once")
    assert (await ran(runner, run))[0] == b"once\n"
    again = installation.runner(url)
    await again.start(run)
    assert await printed_by(again, run) == b"once\n"
    await again.close()


async def test_a_container_that_is_started_by_hand_once_more_does_not_run_the_command_again(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("echo once")
    await ran(runner, run)
    await runner._engine.start(f"{installation.prefix}-{run.name}")
    output = await printed_by(runner, run)
    assert output.count(b"once\n") == 1
    assert output.endswith(b"This run was started before, and is not run again.\n")


async def test_what_was_created_and_not_started_is_started_by_the_next_controller(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("echo here")
    await prepared(runner, run)
    assert not await runner.is_there(run)
    await create_only(runner, run)
    assert not await runner.is_there(run)
    assert run.name in await runner.names()
    await runner.start(run)
    assert await runner.is_there(run)
    assert await printed_by(runner, run) == b"here\n"


async def test_another_process_follows_and_ends_a_run(
    runner: ContainerRunner, installation: Installation, url: str
) -> None:
    run = installation.run("echo up; sleep 1000")
    await prepared(runner, run)
    await runner.start(run)
    other = installation.runner(url)
    assert await anext(other.output(run)) == b"up\n"
    await other.stop(run, 0)
    assert await other.exit(run) == Exit(137)
    await other.close()


async def test_what_is_gone_is_lost(runner: ContainerRunner, installation: Installation) -> None:
    run = installation.run()
    await ran(runner, run)
    await runner.remove(run)
    assert not await runner.is_there(run)
    assert await printed_by(runner, run) == b""
    assert await runner.exit(run) == Exit(None, "lost")


async def test_nothing_of_a_run_is_left_once_it_is_removed(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run("sleep 1000")
    await prepared(runner, run)
    volumes = await runner._engine.volumes("dev.fleet.ci")
    await runner.start(run)
    await runner.remove(run)
    await runner.remove(run)
    assert await runner.names() == []
    assert await runner._engine.volumes("dev.fleet.ci") == volumes
    assert list(run.folder.iterdir()) == []


async def test_runs_of_another_installation_are_never_touched(
    runner: ContainerRunner, installation: Installation, url: str
) -> None:
    longer = Installation(f"{installation.prefix}-longer", installation.files, installation.wheels)
    neighbour = longer.runner(url)
    run = longer.run("sleep 1000")
    try:
        await prepared(neighbour, run)
        await neighbour.start(run)
        assert await runner.names() == []
        await runner.remove_by_name(f"longer-{run.name}")
        assert await neighbour.is_there(run)
        assert await neighbour.names() == [run.name]
    finally:
        await neighbour.close()
        await clean(url, longer.prefix)


async def test_only_regular_files_of_the_project_are_collected(
    runner: ContainerRunner, installation: Installation, tmp_path: Path
) -> None:
    script = (
        "mkdir -p out/deep; echo x > out/a.txt; echo y > out/deep/b.txt; ln -s /etc/passwd out/link.txt; "
        "ln -s /etc out/etc; mkfifo out/pipe.txt; echo z > other.log; echo s > 'out/with space.txt'"
    )
    run = installation.run(script)
    await ran(runner, run)
    found = await collected(runner, run, ["out/**", "none/*"], tmp_path / "into")
    assert found == ["out/a.txt", "out/deep/b.txt", "out/with space.txt"]
    assert not any(path.is_symlink() for path in (tmp_path / "into").rglob("*"))


async def test_a_run_may_delete_its_project(
    runner: ContainerRunner, installation: Installation, tmp_path: Path
) -> None:
    run = installation.run("cd /; rm -rf /job/project; echo gone")
    assert await ran(runner, run) == (b"gone\n", Exit(0))
    assert await collected(runner, run, ["**"], tmp_path / "into") == []


async def test_large_output_is_complete(runner: ContainerRunner, installation: Installation) -> None:
    run = installation.run(f"head -c {20 * MEGABYTE} /dev/zero | tr '\\0' 'ab\\n'")
    output, _ = await ran(runner, run)
    assert len(output) == 20 * MEGABYTE


@pytest.mark.parametrize("image", ["../../containers/json", "-flag", "a b", "a//b", "a/../b"])
async def test_an_image_is_named_like_one(
    runner: ContainerRunner, installation: Installation, image: str
) -> None:
    with pytest.raises(CannotRun, match="no name of an image"):
        await prepared(runner, installation.run(spec=JobSpec(image=image)))


async def test_an_image_that_cannot_be_fetched_says_so_in_the_words_of_the_engine(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run(spec=JobSpec(image="127.0.0.1:1/none:none"))
    with pytest.raises(CannotRun, match=r"127\.0\.0\.1:1/none:none cannot be pulled.*refused"):
        await prepared(runner, run)


async def test_dependencies_that_cannot_be_installed_say_so_and_leave_nothing(
    runner: ContainerRunner, installation: Installation
) -> None:
    before = await runner._engine.volumes(f"dev.fleet.ci={installation.prefix}")
    run = installation.run(files={"requirements.txt": b"no-such-thing-anywhere==1\n"})
    with pytest.raises(CannotRun, match="could not be installed"):
        await prepared(runner, run)
    assert await runner._engine.names(f"dev.fleet.ci={installation.prefix}") == []
    with pytest.raises(CannotRun, match="not prepared"):
        await runner.start(run)
    await prepared(runner, installation.run(files={"requirements.txt": b"iniconfig\n"}))
    after = await runner._engine.volumes(f"dev.fleet.ci={installation.prefix}")
    assert len(set(after) - set(before)) <= 2


async def test_a_preparation_that_is_cancelled_leaves_nothing_and_may_begin_anew(
    runner: ContainerRunner, installation: Installation
) -> None:
    run = installation.run(files={"requirements.txt": b"packaging\n"})
    preparing = asyncio.ensure_future(prepared(runner, run))
    while not await runner._engine.names(f"dev.fleet.ci={installation.prefix}"):
        await asyncio.sleep(0.01)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    assert await runner._engine.names(f"dev.fleet.ci={installation.prefix}") == []
    await prepared(runner, run)


async def test_a_run_that_was_only_prepared_is_told_and_removed_by_its_name(
    runner: ContainerRunner, installation: Installation, url: str
) -> None:
    run = installation.run()
    await prepared(runner, run)
    other = installation.runner(url)
    assert await other.names() == [run.name]
    await other.remove_by_name(run.name)
    assert (await other.names(), list(run.folder.iterdir())) == ([], [])
    await other.close()


async def test_an_installing_container_that_is_left_is_told_and_removed_by_its_name(
    runner: ContainerRunner, installation: Installation, url: str
) -> None:
    run = installation.run(files={"requirements.txt": b"packaging\npluggy\n"})

    async def die(name: str) -> None:
        await asyncio.Event().wait()

    runner._engine.start = die  # pyright: ignore[reportAttributeAccessIssue]
    preparing = asyncio.ensure_future(prepared(runner, run))
    label = f"dev.fleet.ci={installation.prefix}"
    while not await runner._engine.names(label):
        await asyncio.sleep(0.01)
    other = installation.runner(url)
    assert await other.names() == [run.name]
    await other.remove_by_name(run.name)
    assert await other._engine.names(label) == []
    preparing.cancel()
    await asyncio.wait([preparing])
    await other.close()


async def test_jobs_with_the_same_dependencies_install_them_once(
    runner: ContainerRunner, installation: Installation
) -> None:
    runs = [installation.run(files={"requirements.txt": b"pluggy\n"}) for _ in range(3)]
    outputs = await asyncio.gather(*(prepared(runner, run) for run in runs))
    assert sum(b"Installed" in output for output in outputs) == 1


async def test_an_environment_whose_volume_the_engine_has_lost_is_made_anew(
    runner: ContainerRunner, installation: Installation
) -> None:
    files = {"requirements.txt": b"pygments\n"}
    await prepared(runner, installation.run(files=files))
    for volume in await runner._engine.volumes(f"dev.fleet.ci={installation.prefix}"):
        if "-env-" in volume:
            await runner._engine.remove_volume(volume)
    assert b"Installed" in await prepared(runner, installation.run(files=files))
