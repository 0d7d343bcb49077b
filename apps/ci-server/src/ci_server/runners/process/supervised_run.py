"""One command, kept within its limits, and what it prints. Standard library only: it is part of the shim."""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import time
from typing import TypedDict

from ci_server.runners.process.bwrap_arguments import arguments_file
from ci_server.runners.process.descendants import (
    descendants,
    is_alive,
    read,
    signal_descendants,
    use_more_memory,
)

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.1
PIPE_BYTES = 1024**2
KILLING_SECONDS = 30.0
OPEN_FILES = 4096
BWRAP_GENERATIONS = 1
OOM_SCORE = b"500"  # where the machine runs out of memory, the run goes before the server does
RESET = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)


class Task(TypedDict):
    """What the shim is told, as JSON."""

    folder: str
    """Of the run: where `started`, `output`, `stop` and `exit` are."""
    command: list[str]
    sandbox: list[str]
    """For `--args` of bwrap, which then is the command; empty without a sandbox. Secrets are among them, so that
    they must not be on a command line."""
    environment: dict[str, str]
    working_folder: str
    cores: list[int]
    timeout: float
    grace: float
    """Seconds between SIGTERM and SIGKILL, after the timeout."""
    memory: int
    """In bytes, of all processes of the run."""
    processes: int
    output: int | None
    """In bytes."""
    server: list[int] | None
    """A process with which the run ends, by its id and when it started; None where the run outlives all."""


class SupervisedRun:  # pragma: no cover  # in a process without site packages; the tests look at what it does
    """The command, its descendants, and what they print, in the folder that is the working folder."""

    def __init__(self, task: Task) -> None:
        self.code: int | None = None
        self.stopped: str | None = None
        self.output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._task = task
        self._asked = False
        self._pipe, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._room = task["output"]
        self._waiting = b""
        self._end_of_output = False
        self._deadline = time.monotonic() + task["timeout"]
        self._kill_at = float("inf")
        self._look_at = 0.0

    def follow(self) -> None:
        """Until the command has ended and everything that it left behind is gone."""
        wake, wakened = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._wake)
        signal.signal(signal.SIGTERM, self._ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        child = self._spawn()
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        while self._reap(child) and (self.code is None or self._is_in_its_grace()):
            self._keep_limits()
            poll.poll(LOOK_SECONDS * 1000)
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            self._pump()
            if self._end_of_output:
                with contextlib.suppress(KeyError):
                    poll.unregister(self._pipe)
        self._kill_all(child)
        while self._pump():
            pass

    def _is_in_its_grace(self) -> bool:
        """A shell that was asked to end is often gone before what it started has cleaned up."""
        return self.stopped is not None and time.monotonic() < self._kill_at

    def _ask(self, *_: object) -> None:
        self._asked = True

    def _wake(self, *_: object) -> None:
        """What a signal has to say is in the pipe."""

    def _spawn(self) -> int:
        shim = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                self._become(shim)
            except BaseException as error:  # noqa: BLE001  # nothing of this process may go on in the child
                os.write(2, f"The command cannot be started: {error}\n".encode(errors="replace"))
            finally:
                os._exit(127)
        os.close(self._writing)
        return child

    def _become(self, shim: int) -> None:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(self._writing, 1)
        os.dup2(self._writing, 2)
        signal.set_wakeup_fd(-1)
        for number in RESET:
            signal.signal(number, signal.SIG_DFL)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != shim:
            os.kill(os.getpid(), signal.SIGKILL)
        self._limit()
        os.umask(0o022)
        os.chdir(self._task["working_folder"])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        program, *arguments = self._task["command"]
        if self._task["sandbox"]:
            arguments = ["--args", str(arguments_file(self._task["sandbox"])), *arguments]
        os.execve(program, [program, *arguments], self._task["environment"])  # noqa: S606  # what it is for

    def _limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self._task["cores"])
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as score:  # noqa: PTH123
            score.write(OOM_SCORE)

    def _pump(self) -> bool:
        """Move what was printed into the file; False if there is nothing just now. A full disk is waited for."""
        if not self._waiting and not self._end_of_output:
            try:
                self._waiting = os.read(self._pipe, PIPE_BYTES)
            except BlockingIOError:
                return False
            self._end_of_output = not self._waiting
            self._cut()
        if not self._waiting:
            return not self._end_of_output
        try:
            self._waiting = self._waiting[os.write(self.output, self._waiting) :]
        except OSError:
            time.sleep(LOOK_SECONDS)
        return True

    def _cut(self) -> None:
        if self._room is None:
            return
        if len(self._waiting) > self._room:
            self._stop("output", 0)
        self._waiting = self._waiting[: self._room]
        self._room -= len(self._waiting)

    def _reap(self, child: int) -> bool:
        """Take in who has ended; False if there is nobody left."""
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == child:
                    code = os.waitstatus_to_exitcode(found[1])
                    self.code = code if code >= 0 else 128 - code
        except ChildProcessError:
            return False
        return True

    def _keep_limits(self) -> None:
        now = time.monotonic()
        if self._asked:
            self._asked = False
            self._stop("cancelled", _grace())
        if now >= self._deadline:
            self._stop("timeout", self._task["grace"])
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
        if time.monotonic() >= self._kill_at:
            signal_descendants(signal.SIGKILL)

    def _look(self) -> None:
        found = list(descendants())
        if len(found) > self._task["processes"]:
            self._waiting += (
                b"\n-- It had more than %d processes, and was killed.\n" % self._task["processes"]
            )
            self._kill_at = 0
        elif use_more_memory(found, self._task["memory"]):
            self._stop("memory", 0)
        elif (server := self._task["server"]) and not is_alive(*server):
            self._stop("lost", 0)

    def _stop(self, why: str, grace: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        if self.stopped is None:
            self.stopped = why
            if grace:
                signal_descendants(signal.SIGTERM, BWRAP_GENERATIONS if self._task["sandbox"] else 0)

    def _kill_all(self, child: int) -> None:
        """As orphans come to us, nobody is left once we have no child."""
        end = time.monotonic() + KILLING_SECONDS
        while self._reap(child) and time.monotonic() < end:
            signal_descendants(signal.SIGKILL)
            self._pump()
            time.sleep(0.001)


def prctl(option: int, value: int) -> None:  # pragma: no cover
    """Of Linux. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _grace() -> float:  # pragma: no cover
    try:
        return float(read("stop"))
    except (OSError, ValueError):
        return 0
