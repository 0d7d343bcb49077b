import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

import psutil

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.cgroup import Cgroup, CpuUse
from fleet_metadata.collectors.workspace.cpu_meter import CpuMeter
from fleet_metadata.collectors.workspace.own_thread import OwnThread
from fleet_metadata.collectors.workspace.percent import percent

T = TypeVar("T")

READ_WITHIN_SECONDS = 0.5
FIRST_LOOK_SECONDS = 0.1
_MACHINE = "the whole machine"


@dataclass(frozen=True, slots=True)
class Usage:
    """Whole percents, 0 to 100, None where they are not known; `warnings` say why."""

    cpu_percent: int | None
    memory_percent: int | None
    disk_percent: int | None
    warnings: tuple[str, ...] = ()


class Resources:
    """How much of CPU, memory and disk is used: of a container's limits where it has some, else of the machine.

    The disk is the file system that `folder` is on. CPU is counted from the moment that this is made; who asks
    right after that waits a moment, so that there is something to tell.
    """

    def __init__(
        self,
        folder: Path,
        cgroup: Cgroup,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], object] = sleep,
    ) -> None:
        self._cgroup = cgroup
        self._pause = pause
        self._cpu = CpuMeter(self._cpu_uses, clock)
        self._work = OwnThread("CPU and memory", self._cpu_and_memory)
        self._disk = OwnThread(f"the file system of {folder}", partial(_disk_percent, folder))

    async def usage(self) -> Usage:
        """What is used now; takes `READ_WITHIN_SECONDS` at the most."""
        unknown: tuple[int | None, int | None] = (None, None)
        (work, why_no_work), (disk, why_no_disk) = await asyncio.gather(
            _told(self._work, unknown), _told(self._disk, None)
        )
        return Usage(*work, disk, (*why_no_work, *why_no_disk))

    def _cpu_and_memory(self) -> tuple[int | None, int | None]:
        busy = self._cpu.percent()
        if busy is None:
            self._pause(FIRST_LOOK_SECONDS)
            busy = self._cpu.percent()
        return busy, self._memory_percent()

    def _cpu_uses(self) -> Mapping[Hashable, CpuUse]:
        return {**self._cgroup.cpu()} or {_MACHINE: _cpu_of_machine()}

    def _memory_percent(self) -> int | None:
        if limited := self._cgroup.memory():
            shares = [percent(use.used, use.limit) for use in limited]
            return max((share for share in shares if share is not None), default=None)
        memory = psutil.virtual_memory()
        return percent(memory.total - memory.available, memory.total)


def _cpu_of_machine() -> CpuUse:
    times = psutil.cpu_times()._asdict()
    # Guests are counted in with the others already.
    idle = sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return CpuUse(sum(times.values()) - idle, psutil.cpu_count() or 1)


def _disk_percent(folder: Path) -> int | None:
    disk = psutil.disk_usage(str(folder))
    # What is kept for root alone is neither used nor to be had.
    return percent(disk.used, disk.used + disk.free)


async def _told(thread: OwnThread[T], otherwise: T) -> tuple[T, tuple[str, ...]]:
    try:
        return await thread.result(READ_WITHIN_SECONDS), ()
    except CollectionFailed as failed:
        return otherwise, (str(failed),)
