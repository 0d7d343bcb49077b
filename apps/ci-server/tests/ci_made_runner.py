"""An engine without isolation or processes: what it runs is written in a script, and outlives controllers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ci_server.domain.course import Exit
from ci_server.running.runner import CannotRun, Run, RunnerAway

Step = Callable[[str], Awaitable[None]]
CHUNK = 7
PASSED = Exit(0)


@dataclass(frozen=True)
class Script:
    """What becomes of a job's attempts."""

    preparation: Sequence[bytes] = (b"Installing", b" pytest\n")
    output: bytes = b""
    exit: Exit = PASSED
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """What its project has in the end, beside the zip."""
    goes_on: bool = False
    """Until it is stopped, or `MadeEngine.end`."""
    prepares_for_ever: bool = False
    cannot_be_prepared: str | None = None
    cannot_be_started: str | None = None


@dataclass
class MadeRun:
    printed: bytes
    files: Mapping[str, bytes]
    exit: Exit | None
    environment: Mapping[str, str]


class MadeEngine:
    """What runs, and what was ever done. `script` is the one of jobs that have none in `scripts`."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.scripts = dict[str, Script]()
        self.runs = dict[str, MadeRun]()
        self.prepared = dict[str, Path]()
        """What there is on disk of each run."""
        self.starts = Counter[str]()
        """How often each was really started: more than once is what must not be."""
        self.preparations = Counter[str]()
        self.stops = Counter[str]()
        self.most_at_once = 0
        self.is_away = False
        self.hangs = asyncio.Event()
        """Set where `is_there`, `start` and `stop` shall never return."""
        self._changed = asyncio.Condition()

    async def changed(self) -> None:
        async with self._changed:
            self.most_at_once = max(self.most_at_once, sum(run.exit is None for run in self.runs.values()))
            self._changed.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as it is so; TimeoutError after a minute."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(is_so)

    async def end(self, name: str, exit_: Exit) -> None:
        self.runs[name].exit = exit_
        await self.changed()

    async def print(self, name: str, more: bytes) -> None:
        self.runs[name].printed += more
        await self.changed()


async def _no_step(_what: str) -> None:
    pass


class MadeRunner:
    """The engine, as one controller sees it. `step` is awaited before and after all that it does."""

    def __init__(self, engine: MadeEngine, step: Step = _no_step, name: str = "process") -> None:
        self.engine = engine
        self.name = name
        self._step = step

    async def prepare(self, run: Run) -> AsyncIterator[bytes]:
        script = self._script(run)
        await self._asked("prepare")
        self.engine.preparations[run.name] += 1
        self.engine.prepared[run.name] = run.folder / "run"
        self.engine.prepared[run.name].mkdir(exist_ok=True)
        await self.engine.changed()
        for part in script.preparation:
            yield part
            await self._step("prepare went on")
        if script.prepares_for_ever:
            await asyncio.Event().wait()
        if script.cannot_be_prepared:
            raise CannotRun(script.cannot_be_prepared)

    async def start(self, run: Run) -> None:
        script = self._script(run)
        await self._asked("start")
        if script.cannot_be_started:
            raise CannotRun(script.cannot_be_started)
        if run.name not in self.engine.runs:
            self.engine.starts[run.name] += 1
            exit_ = None if script.goes_on else script.exit
            self.engine.runs[run.name] = MadeRun(script.output, script.files, exit_, run.environment)
        await self.engine.changed()
        await self._step("start did")

    async def is_there(self, run: Run) -> bool:
        await self._asked("is_there")
        return run.name in self.engine.runs

    async def output(self, run: Run) -> AsyncIterator[bytes]:
        await self._asked("output")
        made, position = self.engine.runs[run.name], 0
        while chunk := await self._next(made, position):
            yield chunk
            position += len(chunk)
            await self._asked("output went on")

    async def exit(self, run: Run) -> Exit:
        await self._asked("exit")
        ended = self.engine.runs[run.name].exit
        assert ended, "asked for the exit of a run that goes on"
        return ended

    async def stop(self, run: Run, grace_seconds: float) -> None:
        await self._asked("stop")
        self.engine.stops[run.name] += 1
        if not self.engine.runs[run.name].exit:
            self.engine.runs[run.name].exit = Exit(143)
        await self.engine.changed()
        await self._step("stop did")

    async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
        await self._asked("collect")
        for path, data in self.engine.runs[run.name].files.items():
            if any(fnmatch(path, glob) for glob in globs):
                (into / path).parent.mkdir(parents=True, exist_ok=True)
                (into / path).write_bytes(data)
                await self._step("collect went on")

    async def remove(self, run: Run) -> None:
        await self._asked("remove")
        await self._remove(run.name)

    async def names(self) -> Sequence[str]:
        await self._asked("names")
        return [*{*self.engine.runs, *self.engine.prepared}]

    async def remove_by_name(self, name: str) -> None:
        await self._asked("remove_by_name")
        await self._remove(name)

    async def close(self) -> None:
        pass

    async def _remove(self, name: str) -> None:
        self.engine.runs.pop(name, None)
        if folder := self.engine.prepared.pop(name, None):
            folder.rmdir()
        await self.engine.changed()
        await self._step("remove did")

    async def _next(self, made: MadeRun, position: int) -> bytes:
        await self.engine.until(lambda: made.exit is not None or len(made.printed) > position)
        return made.printed[position : position + CHUNK]

    async def _asked(self, what: str) -> None:
        await self._step(what)
        if self.engine.is_away:
            raise RunnerAway("The engine does not answer.")
        if self.engine.hangs.is_set() and what in {"is_there", "start", "stop"}:
            await asyncio.Event().wait()

    def _script(self, run: Run) -> Script:
        return self.engine.scripts.get(run.job_id, self.engine.script)
