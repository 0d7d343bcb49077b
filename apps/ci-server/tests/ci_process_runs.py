"""Runs of the process runner, in a data folder of their own."""

import asyncio
import fcntl
import uuid
import zipfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ci_wheelhouse import installs_from, made_wheel

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec
from ci_server.runners.process.process_runner import ProcessRunner
from ci_server.running.runner import Run
from ci_server.storage.job_files import JobFiles

HOLD = "exec 9>held; flock 9; echo ready;"
"""A command that begins so, with all that it starts, holds the file `held` of its project."""


class ProcessRuns:
    """Makes runs; an index of wheels is there, with a `pytest` that is installed at once."""

    def __init__(self, folder: Path, *, sandboxed: bool, **settings: Any) -> None:
        self.files = JobFiles(folder / "data")
        self.wheels = folder / "wheels"
        if not self.wheels.exists():
            self.wheels.mkdir()
            made_wheel(self.wheels, "pytest", "9.0", {"pytest.py": ""})
        self._settings: dict[str, Any] = {
            "max_unpacked_bytes": 10**8,
            "max_entries": 1000,
            "sandboxed": sandboxed,
        } | settings
        self.runner = self.another_runner()

    def another_runner(self) -> ProcessRunner:
        return ProcessRunner(self.files, variables=installs_from(self.wheels), **self._settings)

    def made(
        self,
        command: str,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Run:
        job_id = uuid.uuid4().hex
        project = self.files.project(job_id)
        project.parent.mkdir(parents=True)
        with zipfile.ZipFile(project, "w") as archive:
            for name, text in {"requirements.txt": "", **(files or {})}.items():
                archive.writestr(name, text)
        folder = self.files.attempt(job_id, 1)
        folder.mkdir(parents=True)
        return Run(job_id, 1, JobSpec(**spec), project, folder, env or {}, command)

    async def prepared(self, command: str, **what: Any) -> Run:
        run = self.made(command, **what)
        await self.prepare(run)
        return run

    async def started(self, command: str, **what: Any) -> Run:
        run = await self.prepared(command, **what)
        await self.runner.start(run)
        return run

    async def done(self, command: str, **what: Any) -> tuple[bytes, Exit]:
        return await self.end_of(await self.started(command, **what))

    async def prepare(self, run: Run) -> bytes:
        async with asyncio.timeout(120):
            return b"".join([chunk async for chunk in self.runner.prepare(run)])

    async def end_of(self, run: Run) -> tuple[bytes, Exit]:
        async with asyncio.timeout(120):
            output = b"".join([chunk async for chunk in self.runner.output(run)])
            return output, await self.runner.exit(run)

    async def printed(self, run: Run, text: bytes) -> None:
        """Wait until it is there."""
        seen = b""
        async for chunk in self.runner.output(run):
            seen += chunk
            if text in seen:
                return
        raise AssertionError(seen)

    def is_held(self, run: Run, name: str = "held") -> bool:
        """Whether a process that began with `HOLD` is alive."""
        with (run.folder / "run" / "project" / name).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


@asynccontextmanager
async def process_runs(folder: Path, *, sandboxed: bool, **settings: Any) -> AsyncGenerator[ProcessRuns]:
    """Nothing of them goes on afterwards."""
    runs = ProcessRuns(folder, sandboxed=sandboxed, **settings)
    try:
        yield runs
    finally:
        for name in await runs.runner.names():
            await runs.runner.remove_by_name(name)
