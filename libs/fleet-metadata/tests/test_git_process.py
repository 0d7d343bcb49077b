"""Processes on both event loops: the server runs on uvloop, where there is one."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import uvloop
from collected_git import Children, until
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.git.process import AT_MOST, AT_ONCE, Git

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

# Writes the numbers of itself and of a child to the file "pids", and hangs.
HANGS = 'sleep 300 & echo "$$ $!" >> "$(dirname "$0")/pids"; wait'


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Generator[Run[Any]]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


def _pids(folder: Path, processes: int = 1) -> list[int]:
    file = folder / "pids"
    numbers = [int(word) for word in file.read_text().split()] if file.exists() else []
    return numbers if len(numbers) == 2 * processes else []


def _is_gone(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        # Nobody in a test's container may take in what is left of a grandchild.
        return (
            psutil.Process(pid).status() == psutil.STATUS_ZOMBIE and psutil.Process(pid).ppid() != os.getpid()
        )
    return True


async def _cut_off(git: Git, condition: Callable[[], bool]) -> float:
    """Cancel a command as soon as the condition holds; how long it took to end."""
    task = asyncio.create_task(git.run("status"))
    await until(condition)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


def test_what_git_writes_and_how_it_ends_is_told(run: Run[Any], tmp_path: Path) -> None:
    made = MadeRepository(tmp_path / "made")
    commit = made.commit()
    told = run(Git(made.folder).run("rev-parse", "HEAD"))
    assert (told.code, told.output, told.complaint) == (0, f"{commit}\n".encode(), "")
    failed = run(Git(made.folder).run("rev-parse", "no-such"))
    assert (failed.code, "fatal: ambiguous argument 'no-such'" in failed.complaint) == (128, True)


def test_much_on_both_pipes_is_read_whole(run: Run[Any], tmp_path: Path) -> None:
    large = "head -c 3000000 /dev/zero"
    git = Git(tmp_path, script(tmp_path, f"{large} >&2; {large}; {large} >&2"))
    told = run(git.run("status", at_most=9_000_000))
    assert (len(told.output), len(told.complaint)) == (3_000_000, 6_000_000)


def test_git_that_writes_more_than_so_much_is_killed(
    run: Run[Any], tmp_path: Path, children: Children
) -> None:
    git = Git(tmp_path, script(tmp_path, f"head -c {AT_MOST // 2 + 1} /dev/zero >&2; cat /dev/zero"))

    async def work() -> None:
        descriptors = psutil.Process().num_fds()
        with pytest.raises(CollectionFailed, match=r"^git log wrote more than 4 MiB, and was stopped$"):
            await asyncio.wait_for(git.run("log"), 60)
        assert (children(), psutil.Process().num_fds()) == ([], descriptors)

    run(work())


@pytest.mark.parametrize("pipe", [1, 2])
def test_git_may_write_just_so_much(run: Run[Any], tmp_path: Path, pipe: int) -> None:
    git = Git(tmp_path, script(tmp_path, f"head -c 1000 /dev/zero >&{pipe}"))
    told = run(git.run("log", at_most=1000))
    assert len(told.output) + len(told.complaint) == 1000
    with pytest.raises(CollectionFailed, match="wrote more than"):
        run(git.run("log", at_most=999))


def test_a_signal_that_ends_git_is_told(run: Run[Any], tmp_path: Path) -> None:
    assert run(Git(tmp_path, script(tmp_path, "kill -9 $$")).run("status")).code == -signal.SIGKILL


def test_git_that_hangs_is_killed_with_what_it_started(run: Run[Any], tmp_path: Path) -> None:
    git = Git(tmp_path, script(tmp_path, HANGS))

    async def work() -> list[int]:
        assert await _cut_off(git, lambda: bool(_pids(tmp_path))) < 30
        pids = _pids(tmp_path)
        assert not psutil.pid_exists(pids[0])
        await until(lambda: all(map(_is_gone, pids)))
        return pids

    assert len(run(work())) == 2


def test_a_grandchild_that_went_its_own_way_holds_nobody_up(run: Run[Any], tmp_path: Path) -> None:
    git = Git(tmp_path, script(tmp_path, 'setsid sleep 300 & echo "$$ $!" > "$(dirname "$0")/pids"; exit 0'))

    def has_left() -> bool:
        pids = _pids(tmp_path)
        return bool(pids) and _is_gone(pids[0]) and os.getsid(pids[1]) == pids[1]

    async def work() -> None:
        descriptors = psutil.Process().num_fds()
        assert await _cut_off(git, has_left) < 30
        assert psutil.Process().num_fds() == descriptors

    try:
        run(work())
        assert psutil.pid_exists(_pids(tmp_path)[1])
    finally:
        os.kill(_pids(tmp_path)[1], signal.SIGKILL)


def test_a_command_that_is_cut_off_before_it_began_starts_nothing(
    run: Run[Any], tmp_path: Path, children: Children
) -> None:
    git = Git(tmp_path, script(tmp_path, HANGS))

    async def work() -> None:
        task = asyncio.create_task(git.run("status"))
        task.cancel()
        await asyncio.wait({task})

    run(work())
    assert not (tmp_path / "pids").exists()
    assert children() == []


def test_one_who_is_cancelled_again_still_waits_for_the_end(
    run: Run[Any], tmp_path: Path, children: Children
) -> None:
    git = Git(tmp_path, script(tmp_path, HANGS))

    async def work() -> None:
        task = asyncio.create_task(git.run("status"))
        await until(lambda: bool(_pids(tmp_path)))
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert children() == []

    run(work())


def test_the_end_of_the_loop_ends_git(tmp_path: Path, children: Children) -> None:
    git = Git(tmp_path, script(tmp_path, HANGS))

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(git.run("status"))

    async def work() -> None:
        task = asyncio.create_task(group())
        await until(lambda: bool(_pids(tmp_path)))
        assert not task.done()

    asyncio.run(work())
    assert children() == []
    asyncio.run(until(lambda: all(map(_is_gone, _pids(tmp_path)))))


def test_where_the_kernel_tells_of_no_end_a_thread_waits(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    test_git_that_hangs_is_killed_with_what_it_started(run, tmp_path)
    assert run(Git(tmp_path, script(tmp_path, "echo done; exit 3")).run("status")).output == b"done\n"


def test_two_hundred_reads_leave_nothing_behind(run: Run[Any], tmp_path: Path, children: Children) -> None:
    git = Git(MadeRepository(tmp_path / "made").folder)

    async def work() -> None:
        await git.run("status")
        descriptors, threads = psutil.Process().num_fds(), psutil.Process().num_threads()
        for _ in range(20):
            await asyncio.gather(*(git.run("status") for _ in range(10)))
        assert children() == []
        assert (psutil.Process().num_fds(), psutil.Process().num_threads()) == (descriptors, threads)

    run(work())


def test_no_more_processes_than_so_many_run_at_once(
    run: Run[Any], tmp_path: Path, children: Children
) -> None:
    git = Git(tmp_path, script(tmp_path, HANGS))

    async def work() -> None:
        tasks = [asyncio.create_task(git.run("status")) for _ in range(AT_ONCE + 1)]
        await until(lambda: bool(_pids(tmp_path, AT_ONCE)))
        await asyncio.sleep(0)
        assert len(children()) == AT_ONCE
        tasks[0].cancel()
        await until(lambda: bool(_pids(tmp_path, AT_ONCE + 1)))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert children() == []

    run(work())


def test_a_place_is_given_back_where_nothing_could_be_started(run: Run[Any], tmp_path: Path) -> None:
    git = Git(tmp_path, "no-such-git")

    async def work() -> None:
        for _ in range(2 * AT_ONCE):
            with pytest.raises(CollectionFailed):
                await git.run("status")

    run(asyncio.wait_for(work(), 60))


def test_a_machine_without_git_is_told(
    run: Run[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CollectionFailed, match="git is not installed: there is no program 'git' on the PATH"):
        run(Git(tmp_path).run("status"))


def test_a_git_that_must_not_be_run_is_told(run: Run[Any], tmp_path: Path) -> None:
    executable = Path(script(tmp_path, "true"))
    executable.chmod(0o644)
    with pytest.raises(CollectionFailed, match="git cannot be started: Permission denied"):
        run(Git(tmp_path, str(executable)).run("status"))
