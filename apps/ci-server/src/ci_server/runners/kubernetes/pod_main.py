"""What a pod runs: a command, and all that it prints into a file of the volume that the server reads.

The log of a pod would not do: a node turns it over at 10 MB, and it goes with the pod. The pod is given the text of
this module, so it stands alone, and is content with an old Python.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1024**2
BEGUN_BEFORE = 125
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Supervised:
    """The command of a task, in the folder that is shared with the server."""

    def __init__(self, task: dict[str, Any], job: Path) -> None:
        self.asked_to_end = False
        self.too_much = False
        self._room: int = task["most_output"]
        self._task = task
        self._job = job
        self._process = 0

    def run(self) -> int:
        """Its exit code, as a shell tells it. When this is returned, the server has all that was printed."""
        output, printing = os.pipe()
        bell = _bell()
        signal.signal(signal.SIGTERM, self._ask_to_end)
        process = subprocess.Popen(  # noqa: S603  # what the job is there for
            self._task["command"],
            cwd=self._task["folder"],
            env=_environment(self._task),
            stdin=subprocess.DEVNULL,
            stdout=printing,
            stderr=printing,
            start_new_session=True,
        )
        os.close(printing)
        self._process = process.pid
        if self.asked_to_end:
            self._signal(signal.SIGTERM)
        with _synchronous(self._job / "log") as log:
            return self._follow(output, bell, log)

    def _follow(self, output: int, bell: int, log: Any) -> int:
        waited_for, code = [output, bell], None
        os.set_blocking(output, False)
        while code is None:
            ready = select.select(waited_for, [], [])[0]
            if bell in ready:
                os.read(bell, CHUNK_BYTES)
                code = _reaped(self._process)
            if output in ready and not self._copy(output, log):
                waited_for.remove(output)
        if output in waited_for:
            # Others may hold the pipe for ever: no more than it can have held.
            self._copy(output, log)
        return code

    def _copy(self, output: int, log: Any) -> bool:
        """What is in the pipe, up to its largest size; false at its end."""
        left = CHUNK_BYTES
        while left > 0:
            try:
                chunk = os.read(output, left)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            left -= len(chunk)
            self._write(chunk, log)
        return True

    def _write(self, chunk: bytes, log: Any) -> None:
        rest = memoryview(chunk[: self._room + 1])
        self._room -= len(rest)
        while rest:
            rest = rest[log.write(rest) :]
        if self._room < 0 and not self.too_much:
            self.too_much = True
            self._signal(signal.SIGKILL)

    def _ask_to_end(self, *_: object) -> None:
        self.asked_to_end = True
        if self._process:
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        """To all processes of the container; where this is not the first one, to those of the command alone."""
        try:
            if os.getpid() == 1:
                os.kill(-1, number)
            else:
                os.killpg(self._process, number)
        except ProcessLookupError:
            pass


def main(job: Path = Path("/job"), task_file: Path = Path("/task/task.json")) -> int:
    """Run the task, unless that was begun before, and tell how it ended."""
    task = json.loads(task_file.read_text())
    try:
        (job / "once").mkdir()
    except FileExistsError:
        sys.stderr.write("This was begun before, and is not run again.\n")
        return BEGUN_BEFORE
    if why := _misfit(task):
        told: dict[str, Any] = {"code": None, "why": why}
    else:
        supervised = Supervised(task, job)
        code = supervised.run()
        told = {"code": code, "asked_to_end": supervised.asked_to_end, "too_much": supervised.too_much}
    with _synchronous(job / "exit") as file:
        file.write(json.dumps(told).encode())
    return told["code"] or 0


def _misfit(task: dict[str, Any]) -> str:
    """An environment is of one Python, and the tag of an image may have moved to the next one."""
    if not task["environment_folder"]:
        return ""
    made = (Path(task["environment_folder"]) / "pyvenv.cfg").read_text()
    version = "{}.{}".format(*sys.version_info)
    if f"version_info = {version}." in made:
        return ""
    return (
        f"The image has Python {version} now, and had another one when the dependencies were installed: "
        "name it by its full version or its digest (form field `image`)."
    )


def _environment(task: dict[str, Any]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    own["PATH"] = own.get("PATH") or SYSTEM_PATH
    if task["environment_folder"]:
        own["PATH"] = f"{task['environment_folder']}/bin:{own['PATH']}"
    return {**own, **task["variables"]}


def _bell() -> int:
    """Readable when a signal has come."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _notice)
    return reading


def _notice(*_: object) -> None:
    """Nothing else is done, but the bell rings only for signals that are handled."""


def _reaped(process: int) -> int | None:
    """The exit code of the process, if it has ended; all others that have are let go, too."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == 0:
            return code
        if ended == process:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _synchronous(path: Path) -> Any:
    """To append to a file that is there; what was written is on the volume, and so seen by all machines."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_SYNC | os.O_NOFOLLOW), "wb", buffering=0)


if __name__ == "__main__":
    sys.exit(main())
