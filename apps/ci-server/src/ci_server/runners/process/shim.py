"""Looks after one run, and outlives the server that asked for it. Standard library only, in a process of its own.

It reads a `Task` from its standard input, detaches itself, claims the run by making `started` in its folder, and
says `started`, or `there` where another one has claimed it, on its standard output. Then it runs the command,
appends what that prints to `output`, keeps it within its limits, kills every descendant at the end, and writes
`exit` last. SIGTERM makes it read `stop` (seconds of grace) and stop the run.

"no cover" stands at what runs in that process, without site packages; the tests look at what it does.
"""

import contextlib
import json
import os
import signal
import sys
import time

from ci_server.runners.process.descendants import read, started_at
from ci_server.runners.process.supervised_run import LOOK_SECONDS, SupervisedRun, Task, prctl

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:  # pragma: no cover
    """Say what became of it, and follow the run to its end."""
    _close_inherited()
    try:
        _supervise(json.loads(sys.stdin.buffer.read()))
    except Exception as error:  # noqa: BLE001  # who started it gets to read it
        _say(f"{type(error).__name__}: {error}")
        sys.exit(1)


def this_boot() -> str:
    """What tells the machine's start from all others."""
    return read("/proc/sys/kernel/random/boot_id").decode().strip()


def _supervise(task: Task) -> None:  # pragma: no cover
    if os.fork():
        os._exit(0)
    os.setsid()
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.chdir(task["folder"])
    run = SupervisedRun(task)
    if not _claim():
        _say("there")
        return
    if not _is_in_place(task["folder"]):
        _say("removed")
        return
    _say("started")
    run.follow()
    _conclude(run)


def _claim() -> bool:  # pragma: no cover
    """Whether the run is ours: there is one `started`, and it never is without its content."""
    me = {"pid": os.getpid(), "start": started_at(os.getpid()), "boot": this_boot()}
    part = f"started.{os.getpid()}"
    _write(part, json.dumps(me).encode())
    try:
        os.link(part, "started")
    except FileExistsError:
        return False
    finally:
        os.unlink(part)  # noqa: PTH108
    _sync_folder()
    return True


def _is_in_place(folder: str) -> bool:  # pragma: no cover
    """Whether the run was not removed before it was claimed; who removes it moves it away first, and looks then."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(folder), os.stat("."))  # noqa: PTH116
    return False


def _close_inherited() -> None:  # pragma: no cover
    """Else a lock that the server holds would be held on by us; some event loops let their children have it."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        if descriptor > 2:  # noqa: PLR2004  # what the server has to say, and wants to hear
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _conclude(run: SupervisedRun) -> None:  # pragma: no cover
    content = json.dumps({"code": run.code, "stopped": run.stopped}).encode()
    with contextlib.suppress(FileNotFoundError):
        while True:
            try:
                os.fsync(run.output)
                _write("exit.part", content)
                os.rename("exit.part", "exit")  # noqa: PTH104
                return _sync_folder()
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(LOOK_SECONDS)


def _write(path: str, content: bytes) -> None:  # pragma: no cover
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder() -> None:  # pragma: no cover
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _say(text: str) -> None:  # pragma: no cover
    with contextlib.suppress(BrokenPipeError):
        os.write(1, text.encode(errors="replace"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
