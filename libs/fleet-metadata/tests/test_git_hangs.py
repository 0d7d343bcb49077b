import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from collected_git import Children, git_collector, until
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.git import GitCollector
from fleet_metadata.collectors.git.git_collector import STATUS_WITHIN_SECONDS
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace

# Of nobody else on this machine, where these tests may run more than once at a time.
SLEEP = f"sleep 300.{os.getpid():07}"


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


def _sleeping() -> list[psutil.Process]:
    """Processes that the scripts of this module left running."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["cmdline"] == SLEEP.split() and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


async def test_one_that_fails_ends_the_others(
    made: MadeRepository, tmp_path: Path, children: Children
) -> None:
    breaks = f"""case "$*" in
      *" log "*) until [ -e "$(dirname "$0")/hanging" ]; do :; done; echo fatal: it broke >&2; exit 1;;
      *" status "*) {SLEEP} & touch "$(dirname "$0")/hanging"; wait;;
      *) exec git "$@";;
    esac"""
    async with asyncio.timeout(60):
        with pytest.raises(CollectionFailed, match=r"^git says: fatal: it broke$"):
            await git_collector(made.folder, script(tmp_path, breaks)).collect()
    # What of it is shared goes on to its own end.
    await until(lambda: not children() and not _sleeping())


async def test_git_that_hangs_is_killed_when_nobody_wants_it(
    made: MadeRepository, tmp_path: Path, children: Children, skip_ahead: Callable[[float], None]
) -> None:
    collector = git_collector(made.folder, script(tmp_path, f"{SLEEP} & wait"))
    collecting = asyncio.create_task(collector.collect())
    await until(lambda: len(children(recursive=True)) == 8)
    collecting.cancel()
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await collecting
    # What of it is shared goes on to its own end.
    skip_ahead(30)
    await until(lambda: not children() and not _sleeping())


@pytest.mark.parametrize("seconds", [0.2, STATUS_WITHIN_SECONDS])
async def test_a_status_that_takes_too_long_is_killed_and_the_rest_is_told(
    made: MadeRepository, tmp_path: Path, children: Children, seconds: float
) -> None:
    commit = made.commit(a="a")
    made.write("a", "b")
    made.git("stash")
    slow = f"""case "$*" in *" status "*) {SLEEP} & wait;; *) exec git "$@";; esac"""
    async with asyncio.timeout(60):
        reading = await git_collector(made.folder, script(tmp_path, slow), seconds).collect()
    assert [warning.partition(";")[0] for warning in reading.warnings] == [
        f"git status took longer than {seconds:g} s"
    ]
    told = {name: value for name, value in reading.values.items() if value is not None}
    assert set(reading.values) - set(told) == {
        *("git_status", "git_dirty_files", "git_ahead", "git_behind", "git_operation", "git_remote_url")
    }
    assert (told["git_branch"], told["git_commit_hash"], told["git_stash_count"]) == ("main", commit, 1)
    await until(lambda: not children() and not _sleeping())


def test_a_status_has_less_time_than_all_of_the_collection(tmp_path: Path) -> None:
    collector = GitCollector(Workspace(Settings(metadata_folder=tmp_path)))
    assert collector.status_within_seconds == STATUS_WITHIN_SECONDS == 1.6


async def test_two_hundred_readings_leave_nothing_behind(made: MadeRepository, children: Children) -> None:
    made.commit(a="a")
    collector = git_collector(made.folder)
    await collector.collect()
    descriptors = psutil.Process().num_fds()
    for _ in range(50):
        await asyncio.gather(*(collector.collect() for _ in range(4)))
    assert children() == []
    assert psutil.Process().num_fds() == descriptors
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_repository_at_work_is_read_all_the_time(made: MadeRepository) -> None:
    made.commit(a="a")
    collector = git_collector(made.folder)

    async def read() -> None:
        while not working.done():
            assert (await collector.collect()).values["git_branch"] in {"main", "side", None}

    working = asyncio.create_task(asyncio.to_thread(_work, made))
    async with asyncio.timeout(60):
        await asyncio.gather(working, read(), read())


def _work(made: MadeRepository) -> None:
    for number in range(5):
        made.git("checkout", "--quiet", "-B", "side")
        made.commit(a=str(number))
        made.git("checkout", "--quiet", "main")
        made.git("merge", "--quiet", "side")
