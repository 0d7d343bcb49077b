"""What this process and its like may use, and do use, by cgroup v2: https://docs.kernel.org/admin-guide/cgroup-v2.html."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class CpuUse:
    """Seconds of CPU used so far, by those who may use that many cores."""

    seconds: float
    cores: float


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """In bytes."""

    used: int
    limit: int


class Cgroup:
    """The cgroups that have a limit, from that of this process up to the uppermost that is seen below `root`.

    `membership` is the file that names that of this process.
    """

    def __init__(
        self, root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
    ) -> None:
        self._root = root
        self._membership = membership

    def cpu(self) -> Mapping[Path, CpuUse]:
        """Those whose CPU is limited, by their folders."""
        uses = {folder: _cpu_of(folder) for folder in self._folders()}
        return {folder: use for folder, use in uses.items() if use}

    def memory(self) -> Sequence[MemoryUse]:
        """Those whose memory is limited."""
        return [use for folder in self._folders() if (use := _memory_of(folder))]

    def _folders(self) -> Sequence[Path]:
        own = self._own_path()
        return [self._root / path.relative_to("/") for path in (own, *own.parents)]

    def _own_path(self) -> PurePosixPath:
        try:
            lines = self._membership.read_text(errors="surrogateescape").splitlines()
        except OSError:
            lines = []
        path = PurePosixPath(next((line[3:] for line in lines if line.startswith("0::/")), "/"))
        # One that is outside of what a container sees begins with "..".
        return PurePosixPath("/") if ".." in path.parts else path


def _cpu_of(folder: Path) -> CpuUse | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        if quota == "max":
            return None
        return CpuUse(_stat(folder / "cpu.stat", "usage_usec") / 1_000_000, int(quota) / int(period))
    except (OSError, ValueError, LookupError, ZeroDivisionError):
        return None


def _memory_of(folder: Path) -> MemoryUse | None:
    try:
        limit = (folder / "memory.max").read_text().strip()
        if limit == "max":
            return None
        # Files that were read once and can be dropped at any time are in nobody's way.
        used = int((folder / "memory.current").read_text()) - _stat(folder / "memory.stat", "inactive_file")
        return MemoryUse(max(0, used), int(limit))
    except (OSError, ValueError, LookupError):
        return None


def _stat(file: Path, name: str) -> int:
    return int(dict(line.split(maxsplit=1) for line in file.read_text().splitlines())[name])
