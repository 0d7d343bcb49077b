import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from signal import SIGKILL
from subprocess import Popen
from threading import Thread
from typing import IO

GONE_WITHIN_SECONDS = 2.0
"""How long a process that was killed is waited for; one that waits for a disk that is gone does not die."""
_READ_AT_ONCE = 2**18


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a command: its exit code, minus the signal if one ended it, and what it wrote."""

    code: int
    # Not to be seen in a traceback or a log: a remote's URL may hold a token.
    output: bytes = field(repr=False)
    complaint: str = field(repr=False)


class TooMuch(Exception):
    """It wrote more than is read of it."""


class Child:
    """A process that leads a group, and what it writes to its two pipes, followed on the running event loop.

    It is killed when it has written more than `at_most` bytes. `on_exit` is called when it is gone. Reaped
    also when nobody waits for it.
    """

    def __init__(self, process: Popen[bytes], on_exit: Callable[[], object], at_most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._on_exit = on_exit
        self._room = at_most
        self._is_unwanted = False
        self._gone = self._loop.create_future()
        self._written: dict[IO[bytes], list[bytes]] = {pipe: [] for pipe in self._pipes()}
        for pipe in self._pipes():
            self._loop.add_reader(pipe, self._read, pipe)
        self._watch()

    async def finished(self) -> Finished:
        """What came of it: known when it is gone and its pipes are closed, by what it started too.

        Raises TooMuch where it had to be killed.
        """
        await asyncio.wait({self._gone})
        if self._room < 0:
            raise TooMuch
        output, complaint = (b"".join(written) for written in self._written.values())
        return Finished(self._process.returncode, output, complaint.decode(errors="replace"))

    async def end(self) -> None:
        """Kill it and all of its group, and wait until it is gone, up to 2 s; nothing where it is gone."""
        if self._gone.done():
            return
        self._kill()
        until = self._loop.time() + GONE_WITHIN_SECONDS
        while not self._gone.done() and (left := until - self._loop.time()) > 0:
            # Whoever is here is cancelled already, and may be once more: by a group of tasks, at the loop's end.
            with suppress(asyncio.CancelledError):
                await asyncio.wait({self._gone}, timeout=left)

    def _kill(self) -> None:
        self._is_unwanted = True
        # The number is the group's while anybody of it lives, also when the leader is gone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, SIGKILL)
        self._look()

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self._process.stdout, self._process.stderr) if pipe]

    def _read(self, pipe: IO[bytes]) -> None:
        if chunk := os.read(pipe.fileno(), _READ_AT_ONCE):
            self._keep(pipe, chunk)
        else:
            self._close(pipe)
            self._look()

    def _keep(self, pipe: IO[bytes], chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room >= 0:
            self._written[pipe].append(chunk)
        else:
            for written in self._written.values():
                written.clear()
            self._kill()

    def _close(self, pipe: IO[bytes]) -> None:
        if not pipe.closed:
            self._loop.remove_reader(pipe)
            pipe.close()

    def _watch(self) -> None:
        try:
            watched = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):
            # Not Linux, or one from before 5.3.
            Thread(target=self._watch_from_thread, daemon=True).start()
        else:
            self._loop.add_reader(watched, self._exited, watched)

    def _watch_from_thread(self) -> None:
        self._process.wait()
        # The loop may have been closed meanwhile.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._exited)

    def _exited(self, watched: int | None = None) -> None:
        self._process.wait()
        if watched is not None:
            self._loop.remove_reader(watched)
            os.close(watched)
        self._on_exit()
        self._look()

    def _look(self) -> None:
        if self._process.returncode is None:
            return
        if self._is_unwanted:
            # Somebody who left the group may hold them for ever.
            for pipe in self._pipes():
                self._close(pipe)
        if all(pipe.closed for pipe in self._pipes()) and not self._gone.done():
            self._gone.set_result(None)
