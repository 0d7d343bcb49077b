"""CPU, memory and disk in use: of the limits of the workspace's cgroups, else of the machine."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Hashable, Mapping
from fractions import Fraction
from pathlib import Path
from time import monotonic

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_collectors import until

from fleet_metadata.collectors.workspace.cgroup import Cgroup, CpuUse
from fleet_metadata.collectors.workspace.cpu_meter import CpuMeter
from fleet_metadata.collectors.workspace.percent import percent
from fleet_metadata.collectors.workspace.resources import FIRST_LOOK_SECONDS, Resources

MIB = 1024 * 1024
WELL_BEYOND = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class LimitedFolder:
    """A folder as the kernel has one for a cgroup, in which a test says what is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.cpu("max 100000")
        self.memory("max")

    def cpu(self, limit: str, used_usec: int | str = 0) -> None:
        (self.folder / "cpu.max").write_text(f"{limit}\n")
        (self.folder / "cpu.stat").write_text(
            f"usage_usec {used_usec}\nuser_usec 1\nsystem_usec 1\nnr_periods 0\nnr_throttled 0\n"
        )

    def memory(self, limit: int | str, used: int | str = 0, inactive_file: int = 0) -> None:
        (self.folder / "memory.max").write_text(f"{limit}\n")
        (self.folder / "memory.current").write_text(f"{used}\n")
        (self.folder / "memory.stat").write_text(f"anon 12\nfile 4096\ninactive_file {inactive_file}\n")


@pytest.fixture
def root(tmp_path: Path) -> LimitedFolder:
    return LimitedFolder(tmp_path / "cgroup")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _cgroup(root: LimitedFolder, own: str = "0::/\n") -> Cgroup:
    membership = root.folder.parent / "membership"
    membership.write_text(own)
    return Cgroup(root.folder, membership)


def _resources(root: LimitedFolder, clock: Clock, own: str = "0::/\n") -> Resources:
    return Resources(root.folder, _cgroup(root, own), clock)


def _share_of_the_machine() -> int:
    return round(psutil.virtual_memory().percent)


async def test_memory_is_told_against_the_limit_without_what_can_be_dropped(
    root: LimitedFolder, clock: Clock
) -> None:
    root.memory(1000 * MIB, used=700 * MIB, inactive_file=450 * MIB)
    assert (await _resources(root, clock).usage()).memory_percent == 25


@pytest.mark.parametrize(
    ("used", "dropped", "told"), [(2000, 0, 100), (100, 200, 0), (1000, 0, 100), (4, 0, 0)]
)
async def test_memory_is_told_as_a_whole_percent_from_0_to_100(
    root: LimitedFolder, clock: Clock, used: int, dropped: int, told: int
) -> None:
    root.memory(1000, used, dropped)
    assert (await _resources(root, clock).usage()).memory_percent == told


@pytest.mark.parametrize("limit", ["max", "", "lots", "-"])
async def test_without_a_limit_memory_is_that_of_the_whole_machine(
    root: LimitedFolder, clock: Clock, limit: str
) -> None:
    root.memory(limit, used=1)
    assert (await _resources(root, clock).usage()).memory_percent == pytest.approx(
        _share_of_the_machine(), abs=10
    )


async def test_cpu_is_told_against_the_limit(root: LimitedFolder, clock: Clock) -> None:
    root.cpu("200000 100000", used_usec=5_000_000)
    resources = _resources(root, clock)
    clock.now += 10
    root.cpu("200000 100000", used_usec=10_000_000)
    assert (await resources.usage()).cpu_percent == 25


async def test_who_asks_right_after_the_start_waits_a_moment_and_is_told_of_it(
    root: LimitedFolder, clock: Clock
) -> None:
    root.cpu("200000 100000", 0)
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        clock.now += seconds
        # Half of two cores.
        root.cpu("200000 100000", int(seconds * 1_000_000))

    resources = Resources(root.folder, _cgroup(root), clock, pause)
    assert (await resources.usage()).cpu_percent == 50
    clock.now += 1
    await resources.usage()
    assert paused == [FIRST_LOOK_SECONDS]


async def test_cpu_is_told_against_the_limit_of_now(root: LimitedFolder, clock: Clock) -> None:
    root.cpu("200000 100000")
    resources = _resources(root, clock)
    clock.now += 10
    root.cpu("50000 100000", used_usec=4_000_000)
    assert (await resources.usage()).cpu_percent == 80


async def test_more_than_the_limit_in_a_burst_is_all_of_it(root: LimitedFolder, clock: Clock) -> None:
    root.cpu("50000 100000")
    resources = _resources(root, clock)
    clock.now += 1
    root.cpu("50000 100000", used_usec=900_000)
    assert (await resources.usage()).cpu_percent == 100


async def test_a_count_that_goes_back_tells_nothing(root: LimitedFolder, clock: Clock) -> None:
    root.cpu("100000 100000", used_usec=9_000_000)
    resources = _resources(root, clock)
    clock.now += 1
    root.cpu("100000 100000", used_usec=1_000_000)
    assert (await resources.usage()).cpu_percent is None


@pytest.mark.parametrize(
    ("limit", "used"),
    [("max 100000", 1), ("100000 0", 1), ("100000", 1), ("", 1), ("100000 100000", "much"), ("x y", 1)],
)
async def test_without_a_limit_that_makes_sense_cpu_is_that_of_the_whole_machine(
    root: LimitedFolder, limit: str, used: int | str
) -> None:
    root.cpu(limit, used)
    resources, until = Resources(root.folder, _cgroup(root)), monotonic() + WELL_BEYOND
    while (told := (await resources.usage()).cpu_percent) is None:
        assert monotonic() < until
    assert 0 <= told <= 100


@pytest.fixture
def _busy_machine() -> Generator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("_busy_machine")
async def test_cpu_of_the_machine_follows_what_runs_on_it(root: LimitedFolder) -> None:
    resources, until = Resources(root.folder, _cgroup(root)), monotonic() + WELL_BEYOND
    while ((await resources.usage()).cpu_percent or 0) < 50:
        assert monotonic() < until


@pytest.mark.parametrize(
    "own",
    [
        "0::/../../elsewhere\n",
        "0::/not/seen/here\n",
        "9:name=systemd:/\n4:memory:/other\n0::/\n",
        "4:memory:/limited\n",
        "",
    ],
)
async def test_where_the_own_cgroup_is_not_seen_the_uppermost_counts(
    root: LimitedFolder, clock: Clock, own: str
) -> None:
    LimitedFolder(root.folder / "limited").memory(1000, 990)
    root.memory(1000, 330)
    assert (await _resources(root, clock, own).usage()).memory_percent == 33


async def test_a_missing_list_of_cgroups_is_no_fault(root: LimitedFolder, tmp_path: Path) -> None:
    root.memory(1000, 330)
    resources = Resources(root.folder, Cgroup(root.folder, tmp_path / "nowhere"))
    assert (await resources.usage()).memory_percent == 33


@pytest.mark.parametrize(("own", "above", "told"), [(400, 700, 70), (800, 700, 80)])
async def test_of_the_own_cgroup_and_those_above_the_one_nearest_to_its_limit_counts(
    root: LimitedFolder, clock: Clock, own: int, above: int, told: int
) -> None:
    service = LimitedFolder(root.folder / "user.slice" / "app.service")
    service.memory(1000, own)
    LimitedFolder(service.folder.parent).memory(10_000, above * 10)
    LimitedFolder(root.folder / "other").memory(1000, 999)
    service.cpu("100000 100000")
    root.cpu("400000 100000")
    resources = _resources(root, clock, "0::/user.slice/app.service\n")
    clock.now += 10
    service.cpu("100000 100000", own * 10_000)
    root.cpu("400000 100000", above * 40_000)
    usage = await resources.usage()
    assert (usage.cpu_percent, usage.memory_percent) == (told, told)


async def test_the_disk_is_the_file_system_of_the_folder(root: LimitedFolder, clock: Clock) -> None:
    disk = shutil.disk_usage(root.folder)
    usage = await _resources(root, clock).usage()
    assert usage.disk_percent == pytest.approx(100 * disk.used / (disk.used + disk.free), abs=2)
    assert usage.warnings == ()


async def test_a_file_system_without_blocks_has_no_percent(root: LimitedFolder) -> None:
    assert (await Resources(Path("/proc"), _cgroup(root)).usage()).disk_percent is None


async def test_a_folder_that_is_gone_costs_its_disk_alone(root: LimitedFolder, tmp_path: Path) -> None:
    root.memory(1000, 330)
    usage = await Resources(tmp_path / "gone", _cgroup(root)).usage()
    assert (usage.disk_percent, usage.memory_percent) == (None, 33)
    assert usage.warnings == (f"the file system of {tmp_path / 'gone'}: No such file or directory",)


async def test_a_file_that_never_answers_costs_neither_the_disk_nor_more_than_one_thread(
    root: LimitedFolder, clock: Clock, skip_ahead: Callable[[float], None]
) -> None:
    (root.folder / "memory.max").unlink()
    os.mkfifo(root.folder / "memory.max")
    resources, before = _resources(root, clock), threading.active_count()
    for _ in range(3):
        using = asyncio.create_task(resources.usage())
        await until(lambda: _read_at_once() == 1)
        skip_ahead(30)
        usage = await using
        assert (usage.cpu_percent, usage.memory_percent) == (None, None)
        assert usage.disk_percent is not None
        assert usage.warnings == ("CPU and memory: no answer for 30 s",)
    await until(lambda: threading.active_count() <= before + 1)
    (root.folder / "memory.max").write_text("max\n")
    await until(lambda: threading.active_count() <= before)


def _read_at_once() -> int:
    return sum("coro=<_told()" in repr(task) for task in asyncio.all_tasks())


class Counter:
    """One user of the CPU with two cores, of whom a test says how much it used."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> Mapping[Hashable, CpuUse]:
        return {"one": CpuUse(self.seconds, 2)}


def _mean(steps: list[tuple[float, float]]) -> list[int | None]:
    """What a meter tells after each step: so many seconds pass, in which so many seconds of CPU are used."""
    clock, counter = Clock(), Counter()
    meter = CpuMeter(counter, clock)
    told: list[int | None] = []
    for passed, used in steps:
        clock.now += passed
        counter.seconds += used
        told.append(meter.percent())
    return told


@pytest.mark.parametrize(("passed", "told"), [(0.046875, None), (0.0625, 50)])
def test_too_short_a_time_tells_nothing(passed: float, told: int | None) -> None:
    assert _mean([(passed, passed)]) == [told]


def test_cpu_is_the_mean_since_the_last_look_that_was_a_second_ago() -> None:
    assert _mean([(2, 0), (1, 2), (1, 0)]) == [0, 100, 0]


def test_a_look_less_than_a_second_ago_is_passed_over() -> None:
    assert _mean([(2, 0), (0.75, 1.5), (0.25, 0.5)]) == [0, 27, 100]
    assert _mean([(2, 0), (0.75, 1.5), (0.125, 0.25)]) == [0, 27, 30]


def test_the_first_look_counts_until_there_is_another_of_a_second_ago() -> None:
    assert _mean([(0.25, 0.5), (0.25, 0), (0.25, 0)]) == [100, 50, 33]


# Binary fractions, that no rounding is about.
_eighths = st.integers(0, 40).map(lambda eighths: eighths / 8)


@given(st.lists(st.tuples(_eighths, _eighths), max_size=12))
def test_any_looks_tell_what_the_plain_rule_tells(steps: list[tuple[float, float]]) -> None:
    looks = [(0.0, 0.0)]
    for told, (passed, used) in zip(_mean(steps), steps, strict=True):
        at, seconds = looks[-1][0] + passed, looks[-1][1] + used
        far = [look for look in looks if at - look[0] >= 1] or looks[:1]
        # Of looks at the same moment, any is as good where nothing was used between them.
        shares = {
            percent(seconds - then[1], 2 * (at - then[0])) if at - then[0] >= 0.05 else None
            for then in far
            if then[0] == far[-1][0]
        }
        assert told in shares
        looks.append((at, seconds))


@given(st.integers(-(2**64), 2**64), st.integers(-(2**64), 2**64))
def test_a_percent_is_the_nearest_whole_one_of_what_makes_sense(used: int, whole: int) -> None:
    told = percent(used, whole)
    if used < 0 or whole <= 0:
        assert told is None
    else:
        assert told is not None
        assert 0 <= told <= 100
        assert told == 100 or abs(told - Fraction(100 * used, whole)) <= Fraction(1, 2) + Fraction(1, 10**12)
        assert told < 100 or Fraction(100 * used, whole) >= Fraction(199, 2) - Fraction(1, 10**12)
