"""Runs jobs as processes of this machine, for where no container engine is. Linux only."""

import asyncio
import json
import math
import os
import random
import re
import socket
import sys
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from threading import Event

import structlog

from ci_server.domain.course import Exit
from ci_server.runners.environments import Dependencies, Environments, installer_variables
from ci_server.runners.globs import matcher
from ci_server.runners.in_thread import in_thread
from ci_server.runners.process.artifact_copy import copy_artifacts
from ci_server.runners.process.descendants import started_at
from ci_server.runners.process.installation import SYSTEM_PATH, Installation
from ci_server.runners.process.leftovers import MARK, kill_leftovers
from ci_server.runners.process.run_folder import RunFolder
from ci_server.runners.process.sandbox import INSIDE, Places, Sandbox, bwrap, interpreter, sandbox_works
from ci_server.runners.process.supervised_run import Task
from ci_server.runners.run_marks import RunMarks
from ci_server.runners.unpacking import remove_tree, unpack
from ci_server.running.runner import CannotRun, Run, RunnerAway
from ci_server.storage.job_files import JobFiles

POLL_SECONDS = 0.01
CHUNK_BYTES = 65_536
KILL_SECONDS = 5.0
START_SECONDS = 60.0
GRACE_SECONDS = 10.0
PROCESSES = 1024
NAME = re.compile(r"(?P<job>[0-9A-Za-z-]+)-(?P<attempt>[1-9][0-9]*)")
SHIM = "import sys; sys.path.insert(0, sys.argv[1]); from ci_server.runners.process.shim import main; main()"
SOURCES = Path(__file__).parents[3]
INIT = Path(__file__).with_name("init.py").read_text()

log = structlog.get_logger(__name__)


class ProcessRunner:
    """Each run is a process that looks after the command (the shim), and outlives this one.

    Where bubblewrap works, a run has its own namespaces: it sees the system's programs, its project, and what
    was installed for it, and has no network unless it asks for one. Elsewhere it is a plain process of the
    server's own user, limited in memory, time, processors and processes, but free to read and to connect.
    """

    def __init__(
        self,
        files: JobFiles,
        *,
        max_unpacked_bytes: int,
        max_entries: int,
        max_output_bytes: int | None = None,
        variables: Mapping[str, str] | None = None,
        sandboxed: bool = True,
        ends_with_server: bool = False,
    ) -> None:
        """Make it for one data folder, which may be shared with other machines.

        `variables` is the server's environment (os.environ if None), of which installations get what sets
        package indexes, proxies and certificates; nothing of it reaches a job. `max_output_bytes` ends a run
        also while no controller follows it. Without `sandboxed`, bubblewrap is not looked for. With
        `ends_with_server` a run ends when this process does, however that happens.
        """
        self._files = files
        self._marks = RunMarks(files.data_dir / "process-runs", socket.gethostname())
        self._environments = Environments(files.environments)
        self._max_unpacked_bytes = max_unpacked_bytes
        self._max_entries = max_entries
        self._max_output_bytes = max_output_bytes
        self._variables = os.environ if variables is None else variables
        self._sandboxed = sandboxed
        self._server = [os.getpid(), started_at(os.getpid())] if ends_with_server else None
        self._bwrap: str | None = None
        self._probed = False
        self._probing = asyncio.Lock()

    @property
    def name(self) -> str:
        return "process"

    async def prepare(self, run: Run) -> AsyncGenerator[bytes]:
        if sys.platform != "linux":
            raise CannotRun(
                "Without a container engine, jobs run on Linux only: set DOCKER_HOST of the server."
            )
        folder = RunFolder(run.folder)
        try:
            await to_thread(self._lay_out, run, folder)
            await in_thread(lambda abandoned: self._unpack(run, folder, abandoned))
            variables = {**installer_variables(self._variables), MARK: run.name}
            installation = Installation(folder, self._environments, await self._program(), variables)
            dependencies = await to_thread(Dependencies.of, run.project)
            async with aclosing(installation.install(dependencies)) as output:
                async for chunk in output:
                    yield chunk
            folder.note_environment(installation.environment)
        except OSError as error:
            raise RunnerAway(f"Nothing can be prepared on this machine now: {error}") from error

    async def start(self, run: Run) -> None:
        folder = RunFolder(run.folder)
        if folder.was_started():
            return
        _refuse_nul(run)
        if folder.environment() is None:
            raise CannotRun(
                "The run is not prepared, was removed, or its machine has started anew since; retry the job."
            )
        try:
            said = await self._launch(await self._task(run, folder))
        except OSError as error:
            raise RunnerAway(f"No process can be started on this machine now: {error}") from error
        if said not in {"started", "there"} and not folder.was_started():
            raise RunnerAway(f"The process that is to look after the run did not start: {said or 'killed'}")

    async def is_there(self, run: Run) -> bool:
        return RunFolder(run.folder).was_started()

    async def output(self, run: Run) -> AsyncGenerator[bytes]:
        folder = RunFolder(run.folder)
        if not folder.was_started():
            return
        with folder.output.open("rb", buffering=0) as file:
            while True:
                ended = folder.has_ended()
                if ended:
                    await self._clear_up(run.name, folder)
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
                    await asyncio.sleep(0)
                if ended:
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def exit(self, run: Run) -> Exit:
        folder = RunFolder(run.folder)
        await self._clear_up(run.name, folder)
        return folder.exit()

    async def stop(self, run: Run, grace_seconds: float) -> None:
        await self._stop(run.name, RunFolder(run.folder), grace_seconds)

    async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
        project = RunFolder(run.folder).project
        wanted = matcher(globs)
        await in_thread(lambda abandoned: copy_artifacts(project, wanted, into, abandoned))

    async def remove(self, run: Run) -> None:
        await self._remove(run.name, RunFolder(run.folder))

    async def names(self) -> Sequence[str]:
        """Those of this machine: others cannot be looked at from here."""
        return await to_thread(self._marks.names)

    async def remove_by_name(self, name: str) -> None:
        if found := NAME.fullmatch(name):
            attempt = self._files.attempt(found["job"], int(found["attempt"]))
            await self._remove(name, RunFolder(attempt))

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _lay_out(self, run: Run, folder: RunFolder) -> None:
        self._marks.add(run.name)
        if folder.path.exists():
            kill_leftovers(run.name)
        remove_tree(folder.path)
        for path in (folder.path, folder.home, folder.temporary):
            path.mkdir(mode=0o700)

    def _unpack(self, run: Run, folder: RunFolder, abandoned: Event) -> None:
        unpack(
            run.project,
            folder.project,
            max_bytes=self._max_unpacked_bytes,
            max_entries=self._max_entries,
            abandoned=abandoned,
        )

    async def _program(self) -> str | None:
        """Bubblewrap, where it works; tried once."""
        async with self._probing:
            if not self._probed:
                self._bwrap = await self._tried() if self._sandboxed else None
                self._probed = True
        return self._bwrap

    async def _tried(self) -> str | None:
        program = bwrap()
        why = "it is not installed"
        if program:
            await to_thread(self._files.environments.mkdir, parents=True, exist_ok=True)
            why = await sandbox_works(program, self._files.environments)
        if why:
            log.warning("jobs_without_sandbox", bwrap=why, advice="install bubblewrap, or a container engine")
        return None if why else program

    async def _task(self, run: Run, folder: RunFolder) -> Task:
        program = await self._program()
        environment = folder.environment() or Path()
        outside = Places(folder.project, environment, folder.home, folder.temporary)
        variables = _variables(run, INSIDE if program else outside)
        command = ["/bin/sh", "-c", run.command]
        sandbox = Sandbox(outside, network=run.spec.network, shared_memory=run.spec.memory)
        return Task(
            folder=str(folder.path),
            command=[program, "--as-pid-1", "--", str(interpreter()), "-I", "-S", "-c", INIT, *command]
            if program
            else command,
            sandbox=sandbox.arguments(variables) if program else [],
            environment={} if program else variables,
            working_folder=str(folder.project),
            cores=_cores(run.spec.cpus),
            timeout=run.spec.timeout,
            grace=GRACE_SECONDS,
            memory=run.spec.memory,
            processes=PROCESSES,
            output=self._max_output_bytes,
            server=self._server,
        )

    async def _launch(self, task: Task) -> str:
        """What the shim says, once it has claimed the run. Nothing secret is in its arguments or environment."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", SHIM, str(SOURCES)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                said, _ = await process.communicate(json.dumps(task).encode())
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), KILL_SECONDS)
            raise TimeoutError(f"no answer of it within {START_SECONDS:.0f} s") from None
        return said.decode(errors="replace")

    async def _stop(self, name: str, folder: RunFolder, grace_seconds: float) -> None:
        if folder.was_started() and not folder.has_ended():
            folder.ask_to_stop(grace_seconds)
            try:
                async with asyncio.timeout(grace_seconds + KILL_SECONDS):
                    while not folder.has_ended():  # noqa: ASYNC110  # another process sets no event
                        await asyncio.sleep(POLL_SECONDS)
            except TimeoutError:
                folder.kill_shim()
        await self._clear_up(name, folder)

    async def _clear_up(self, name: str, folder: RunFolder) -> None:
        """The shim leaves nothing behind, unless it was killed; an installation may, where there is no sandbox."""
        if folder.was_lost() or (folder.path.exists() and not folder.was_started()):
            await to_thread(kill_leftovers, name)

    async def _remove(self, name: str, folder: RunFolder) -> None:
        gone = folder.withdrawn()
        with suppress(FileNotFoundError):
            folder.path.rename(gone.path)
        await self._stop(name, gone, 0)
        await to_thread(remove_tree, gone.path)
        await to_thread(self._marks.remove, name)


def _variables(run: Run, places: Places) -> dict[str, str]:
    return {
        "PATH": f"{places.environment}/bin:{SYSTEM_PATH}",
        "HOME": str(places.home),
        "TMPDIR": str(places.temporary),
        "LANG": "C.UTF-8",
        "VIRTUAL_ENV": str(places.environment),
        "PYTHONPATH": f"{places.project}/src:{places.project}",
        **run.environment,
        MARK: run.name,
    }


def _refuse_nul(run: Run) -> None:
    """It would end one argument of bubblewrap, and begin the next."""
    for name, value in run.environment.items():
        if "\0" in name + value or "=" in name or not name:
            raise CannotRun(
                f"The variable {name!r} has a NUL, or no name, or `=` in it; submit without that."
            )
    if "\0" in run.command:
        raise CannotRun("The command has a NUL in it; submit it without that.")


def _cores(cpus: float) -> list[int]:
    """So many of those that this process may use; not always the same."""
    allowed = sorted(os.sched_getaffinity(0))
    return random.sample(allowed, min(len(allowed), math.ceil(cpus)))
