import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import psutil

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.own_thread import OwnThread
from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told

READ_WITHIN_SECONDS = 0.4
_ARGUMENTS = 2
_KERNEL_NAME_CHARACTERS = 15


class TaskProcesses:
    """Running processes whose name matches one of `patterns`: they are the task. Earlier patterns go first.

    A name is that of the process, or of the file in its first two arguments: `node /usr/bin/assistant`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._thread = OwnThread("FLEET_TASK_PROCESSES", self._task)

    async def read(self) -> Told:
        if not self._patterns:
            return Told()
        try:
            return Told(await self._thread.result(READ_WITHIN_SECONDS))
        except CollectionFailed as failed:
            return Told(warning=str(failed))

    def _task(self) -> Task | None:
        matches = [match for process in _processes() if (match := self._match(process))]
        if not matches:
            return None
        _, description = min(matches)
        return Task(TaskStatus.RUNNING, description, "process")

    def _match(self, process: dict[str, Any]) -> tuple[int, str] | None:
        name = _shown(process["name"] or "")
        files = [argument.rpartition("/")[2] for argument in (process["cmdline"] or ())[:_ARGUMENTS]]
        for place, pattern in enumerate(self._patterns):
            if _fits(name, pattern):
                return place, name
            if any(_fits(file, pattern) for file in files):
                # Not the argument itself: it may be a secret that the pattern fits.
                return place, pattern.strip("*") or name
        return None


def _processes() -> Iterator[dict[str, Any]]:
    for process in psutil.process_iter(["name", "cmdline", "status"]):
        told: dict[str, Any] = process.info
        if process.pid != os.getpid() and told["status"] not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
            yield told


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _shown(name: str) -> str:
    """`name` without what a process that writes its own title may have put behind it.

    The kernel keeps 15 characters, and psutil looks up what follows them in the arguments.
    """
    return name if len(name) <= _KERNEL_NAME_CHARACTERS else next(iter(name.split()), "")
