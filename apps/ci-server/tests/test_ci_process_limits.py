import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_process_runs import HOLD, ProcessRuns, process_runs

from ci_server.domain.course import Exit

MEGABYTE = 1024**2
HOG = """
import time
kept = []
while True:
    kept.append(b"x" * 5_000_000)
    time.sleep(0.01)
"""
SHARING = """
import os, time
kept = b"x" * 60_000_000
for _ in range(5):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
for _ in range(5):
    os.wait()
"""
BREEDING = """
import os, time
for _ in range(4000):
    if os.fork() == 0:
        time.sleep(1000)
time.sleep(1000)
"""


@pytest.fixture(params=["sandbox", "plain"])
async def runs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ProcessRuns]:
    if request.param == "sandbox" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    async with process_runs(
        tmp_path, sandboxed=request.param == "sandbox", max_output_bytes=1_000_000
    ) as runs:
        yield runs


async def test_a_run_ends_when_its_time_is_over(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} sleep 1000", timeout=1)
    assert await runs.end_of(run) == (b"ready\n", Exit(143, "timeout"))
    assert not runs.is_held(run)


async def test_a_run_that_takes_too_much_memory_is_killed(runs: ProcessRuns) -> None:
    _, exit_ = await runs.done("python hog.py", files={"hog.py": HOG}, memory=100 * MEGABYTE)
    assert exit_ == Exit(137, "memory")


async def test_the_memory_of_all_processes_counts(runs: ProcessRuns) -> None:
    command = "for _ in 1 2 3 4; do python part.py & done; wait"
    part = "import time; kept = b'x' * 40_000_000; time.sleep(1000)"
    _, exit_ = await runs.done(command, files={"part.py": part}, memory=100 * MEGABYTE)
    assert exit_ == Exit(137, "memory")


async def test_memory_that_processes_share_counts_once(runs: ProcessRuns) -> None:
    _, exit_ = await runs.done("python sharing.py", files={"sharing.py": SHARING}, memory=150 * MEGABYTE)
    assert exit_ == Exit(0)


async def test_a_run_that_breeds_processes_is_killed(runs: ProcessRuns) -> None:
    run = await runs.started(f"{HOLD} python breeding.py", files={"breeding.py": BREEDING}, memory=2**40)
    output, exit_ = await runs.end_of(run)
    assert b"more than 1024 processes" in output
    assert exit_ == Exit(137)
    assert not runs.is_held(run)


async def test_a_run_may_print_so_much_and_no_more(runs: ProcessRuns) -> None:
    assert (await runs.done("head -c 1000000 /dev/zero"))[1] == Exit(0)
    output, exit_ = await runs.done("yes")
    assert len(output) == 1_000_000
    assert exit_ == Exit(137, "output")


async def test_a_run_leaves_no_core_and_opens_so_many_files(runs: ProcessRuns) -> None:
    assert await runs.done("ulimit -c; ulimit -n") == (b"0\n4096\n", Exit(0))
