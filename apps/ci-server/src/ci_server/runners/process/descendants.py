"""The processes below this one. Standard library only: it is part of the shim."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator

START_TIME = 19
"""Where `stat_of` has when a process started, in clock ticks since the boot."""


def descendants(skip: int = 0) -> Iterator[int]:
    """Children, their children, and so on, but for the first `skip` generations."""
    seen = {os.getpid()}
    generation = [os.getpid()]
    listed = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110  # pathlib starts slowly
    children_of = _children_of if listed else _looked_up_children()
    while generation:
        children = [child for parent in generation for child in children_of(parent) if child not in seen]
        if skip <= 0:
            yield from children
        skip -= 1
        seen.update(children)
        generation = children


def signal_descendants(number: int, skip: int = 0) -> None:
    """Send a signal to all `descendants`."""
    for process in list(descendants(skip)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def use_more_memory(processes: list[int], limit: int) -> bool:
    """Whether they use more bytes in all; pages that several of them share count once."""
    return _resident(processes) > limit and _proportional(processes) > limit


def is_alive(process: int, started: int) -> bool:
    """Whether it is still that process, and not a later one of the same id."""
    try:
        stat = stat_of(process)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(stat[START_TIME]) == started and stat[0] not in b"ZX"


def started_at(process: int) -> int:
    """In clock ticks since the boot. Raises OSError."""
    return int(stat_of(process)[START_TIME])


def stat_of(process: int) -> list[bytes]:
    """/proc/<process>/stat from the state (field 3) on: what is before may hold blanks and parentheses."""
    return read(f"/proc/{process}/stat").rpartition(b")")[2].split()


def read(path: str) -> bytes:
    """The content of a file. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(file, 65536), b""))
    finally:
        os.close(file)


def _children_of(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208
            found += map(int, read(f"/proc/{process}/task/{thread}/children").split())
    return found


def _looked_up_children() -> Callable[[int], list[int]]:
    """As `_children_of`, for kernels that do not list the children of a process."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
        with contextlib.suppress(OSError):
            children.setdefault(int(stat_of(int(name))[1]), []).append(int(name))
    return lambda process: children.get(process, [])


def _resident(processes: list[int]) -> int:
    pages = 0
    for process in processes:
        with contextlib.suppress(OSError, IndexError):
            pages += int(read(f"/proc/{process}/statm").split()[1])
    return pages * resource.getpagesize()


def _proportional(processes: list[int]) -> int:
    """Takes longer to find out than `_resident`."""
    kilobytes = 0
    for process in processes:
        try:
            rollup = read(f"/proc/{process}/smaps_rollup")
            kilobytes += int(rollup.split(b"\nPss:", 1)[1].split()[0])
        except (OSError, IndexError):
            kilobytes += _resident([process]) // 1024
    return kilobytes * 1024
