import json
import os
import stat
from pathlib import Path
from typing import Any

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.own_thread import OwnThread
from fleet_metadata.collectors.workspace.task import Task, TaskStatus, Told

LARGEST_FILE = 64 * 1024
READ_WITHIN_SECONDS = 0.4
_RIGHT = 'write {"status": "idle|running|completed|failed", "description": "…", "source": "…"}'
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
_TYPES: dict[str, tuple[type, ...]] = {
    "description": (str, type(None)),
    "source": (str, type(None)),
    "updated_at": (str, int, float, type(None)),
}


class TaskFile:
    """The file in which whoever works in the workspace tells of the task: `{status, description, source, updated_at}`.

    Only `status` is needed, and other fields do no harm.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = OwnThread(f"FLEET_TASK_FILE {path}", self._task)

    async def read(self) -> Told:
        try:
            return Told(await self._thread.result(READ_WITHIN_SECONDS))
        except CollectionFailed as failed:
            return Told(warning=str(failed))

    def _task(self) -> Task | None:
        try:
            content = _content(self._path)
            return None if content is None else _parsed(content)
        except CollectionFailed as failed:
            raise CollectionFailed(f"FLEET_TASK_FILE {self._path} {failed}") from None


def _content(path: Path) -> bytes | None:
    """All of the file, None where there is none. Raises CollectionFailed and OSError."""
    try:
        # Before it is opened, as opening a device or a FIFO may do something; and again after, as it may be
        # another one by then.
        _must_be_regular(path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        _must_be_regular(os.fstat(descriptor))
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise CollectionFailed(f"has more than {LARGEST_FILE // 1024} KiB: {_RIGHT}")
    return content


def _must_be_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise CollectionFailed(f"is {kind}: it must be a regular file")


def _parsed(content: bytes) -> Task:
    try:
        told: Any = json.loads(content.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        raise CollectionFailed(f"is not JSON: {_RIGHT}") from None
    if not isinstance(told, dict):
        raise CollectionFailed(f"is no JSON object: {_RIGHT}")
    status, more = told.get("status"), {name: told.get(name) for name in _TYPES}
    if status not in list(TaskStatus):
        raise CollectionFailed(f"has {'no' if status is None else 'an unknown'} status: {_RIGHT}")
    for name, types in _TYPES.items():
        if not isinstance(more[name], types) or isinstance(more[name], bool):
            raise CollectionFailed(f"has a {name} that is no text: {_RIGHT}")
    return Task(TaskStatus(status), more["description"] or None, more["source"] or "file")
