"""Runs jobs as containers of an engine."""

import asyncio
import json
import os
import re
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from threading import Event
from typing import Any

from ci_server.domain.course import Exit
from ci_server.runners.container.archives import copy_artifacts, project_archive
from ci_server.runners.container.configuration import JOB, LABEL, PROJECT, of_run
from ci_server.runners.container.engine import NOT_BEGUN, Engine
from ci_server.runners.container.installation import Installation
from ci_server.runners.container.installing_container import Installer
from ci_server.runners.container.printed import printed
from ci_server.runners.environments import Dependencies, Environments, installer_variables
from ci_server.runners.globs import matcher
from ci_server.runners.in_thread import in_thread
from ci_server.runners.run_marks import RunMarks
from ci_server.runners.unpacking import remove_tree, unpack
from ci_server.running.runner import CannotRun, Run
from ci_server.storage.job_files import JobFiles

POLL_SECONDS = 0.05
KILLED = 137
INSTALLS = "-install"
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*(/[A-Za-z0-9_][A-Za-z0-9._:@-]*)*")


class ContainerRunner:
    """Each run is a container that may write to its project and its temporary folders only.

    It has no capabilities, no network unless it asks for one, and bounds of memory, processors and processes.
    Containers and volumes are named `<prefix>-…` and have the label `dev.fleet.ci=<prefix>`; what has not is
    never touched.
    """

    def __init__(
        self,
        engine: Engine,
        files: JobFiles,
        *,
        prefix: str,
        image: str,
        max_unpacked_bytes: int,
        max_entries: int,
        network: str = "bridge",
        binds: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Make it for one engine, which is closed with it.

        `network` is that of installations, and of runs that ask for one. `binds` (`/folder:/folder:ro`, of the
        engine's machine) are for installations, as is what sets package indexes, proxies and certificates of
        `variables`, the server's environment (os.environ if None).
        """
        self._engine = engine
        self._files = files
        self._environments = Environments(files.environments)
        self._prefix = prefix
        self._marks = RunMarks(files.data_dir / "container-runs", prefix)
        self._image = image
        self._max_unpacked_bytes = max_unpacked_bytes
        self._max_entries = max_entries
        self._network = network
        self._binds = binds
        self._variables = installer_variables(os.environ if variables is None else variables)

    @property
    def name(self) -> str:
        return "container"

    async def prepare(self, run: Run) -> AsyncGenerator[bytes]:
        kept = _Kept(run)
        await self.remove(run)
        await to_thread(self._marks.add, run.name)
        await to_thread(kept.folder.mkdir)
        async with aclosing(self._with_image(run)) as output:
            async for line in output:
                yield line
        image = await self._found(run)
        await in_thread(lambda abandoned: self._unpack(run, kept.project, abandoned))
        dependencies = await to_thread(Dependencies.of, run.project)
        installation = Installation(self._installer(run), self._environments)
        async with aclosing(installation.install(dependencies, image, kept.project)) as output:
            async for chunk in output:
                yield chunk
        kept.prepared.write_text(json.dumps({"volume": installation.volume, "image": image["Id"]}))

    async def start(self, run: Run) -> None:
        """A container that was ever started is left alone; one that was only created gets its project once more."""
        kept = _Kept(run)
        container = await self._engine.find(self._container(run.name))
        if container and container.started:
            return
        await self._create(run, kept)
        await to_thread(project_archive, kept.project, kept.archive)
        with kept.archive.open("rb") as file:
            await self._engine.put(self._container(run.name), JOB, file)
        await self._engine.start(self._container(run.name))
        await to_thread(kept.remove_project)

    async def is_there(self, run: Run) -> bool:
        container = await self._engine.find(self._container(run.name))
        return container is not None and container.started

    def output(self, run: Run) -> AsyncGenerator[bytes]:
        return printed(self._engine, self._container(run.name))

    async def exit(self, run: Run) -> Exit:
        """How it ended.

        Out of memory is what the engine says it was; and of Podman, which does not tell, what SIGKILL ended
        (exit code 137) without our having stopped it: also what was killed by hand. Lost is what is not there,
        or what runs no more since its machine started anew.
        """
        container = await self._engine.find(self._container(run.name))
        if container is None or not container.ended or container.status in NOT_BEGUN:
            return Exit(None, "lost")
        code = container.exit_code
        if _Kept(run).stopped.exists():
            return Exit(code)
        kind, _ = await self._engine.identity()
        killed = code == KILLED and kind == "podman"
        return Exit(code, "memory" if container.out_of_memory or killed else None)

    async def stop(self, run: Run, grace_seconds: float) -> None:
        """SIGTERM is for all of its processes: the engine itself would ask the first one only."""
        name = self._container(run.name)
        if await self._has_ended(name):
            return
        with suppress(OSError):
            _Kept(run).stopped.touch()
        if grace_seconds > 0:
            await self._engine.execute(name, ["sh", "-c", "kill -TERM -1"])
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._end(name)
                    return
        await self._engine.kill(name)
        await self._end(name)

    async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
        reading, writing = os.pipe()
        archive = self._engine.archive(self._container(run.name), PROJECT)
        wanted = matcher(globs)

        def copy() -> None:
            with os.fdopen(reading, "rb") as tar_file:
                copy_artifacts(tar_file, wanted, into)

        with ThreadPoolExecutor(1) as thread:
            copying = asyncio.get_running_loop().run_in_executor(thread, copy)
            try:
                with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as pipe:
                    async with aclosing(archive) as chunks:
                        async for chunk in chunks:
                            await to_thread(_write, pipe.fileno(), chunk)
            finally:
                await asyncio.shield(copying)

    async def remove(self, run: Run) -> None:
        await self._remove(run.name, _Kept(run).folder)

    async def names(self) -> Sequence[str]:
        """Also of those that were only created, are still installing, or have nothing but a folder yet."""
        beginning = f"{self._prefix}-"
        found = await self._engine.names(f"{LABEL}={self._prefix}")
        own = {name.removeprefix(beginning) for name in found if name.startswith(beginning)}
        marked = await to_thread(self._marks.names)
        return sorted({*marked, *(name.removesuffix(INSTALLS) for name in own)})

    async def remove_by_name(self, name: str) -> None:
        job_id, _, number = name.rpartition("-")
        if number.isdigit() and name in await self.names():
            await self._remove(name, self._files.attempt(job_id, int(number)) / "run")

    async def close(self) -> None:
        await self._engine.close()

    def _container(self, run: str) -> str:
        return f"{self._prefix}-{run}"

    def _installer(self, run: Run) -> Installer:
        return Installer(
            engine=self._engine,
            container=self._container(run.name) + INSTALLS,
            prefix=self._prefix,
            network=self._network,
            binds=self._binds,
            variables=self._variables,
        )

    async def _with_image(self, run: Run) -> AsyncGenerator[bytes]:
        image = run.spec.image or self._image
        if not IMAGE.fullmatch(image):
            raise CannotRun(
                f"{image!r} is no name of an image (form field `image`), such as python:3.12-slim."
            )
        if await self._engine.find_image(image) is None:
            yield f"-- The image {image} is fetched.\n".encode()
            async with aclosing(self._engine.pull(image)) as lines:
                async for line in lines:
                    yield line.encode()

    async def _found(self, run: Run) -> Mapping[str, Any]:
        image = run.spec.image or self._image
        if found := await self._engine.find_image(image):
            return found
        raise CannotRun(f"The image {image} was fetched, and yet is not there; retry the job.")

    def _unpack(self, run: Run, project: Path, abandoned: Event) -> None:
        limits = {"max_bytes": self._max_unpacked_bytes, "max_entries": self._max_entries}
        unpack(run.project, project, **limits, abandoned=abandoned)

    async def _create(self, run: Run, kept: "_Kept") -> None:
        try:
            prepared = json.loads(await to_thread(kept.prepared.read_bytes))
        except FileNotFoundError:
            raise CannotRun("The run is not prepared, or was removed; retry the job.") from None
        image = await self._engine.find_image(prepared["image"])
        if image is None or not await self._engine.has_volume(prepared["volume"]):
            raise CannotRun("What was installed for the run is not there any more; retry the job.")
        kind, _ = await self._engine.identity()
        config = of_run(
            prefix=self._prefix,
            podman=kind == "podman",
            image=image,
            command=run.command,
            variables=run.environment,
            environment=prepared["volume"],
            memory=run.spec.memory,
            cpus=run.spec.cpus,
            network=self._network if run.spec.network else "none",
        )
        await self._engine.create(self._container(run.name), config)

    async def _has_ended(self, name: str) -> bool:
        container = await self._engine.find(name)
        return container is None or not container.started or container.ended

    async def _end(self, name: str) -> None:
        while not await self._has_ended(name):  # noqa: ASYNC110  # an engine sets no event
            await asyncio.sleep(POLL_SECONDS)

    async def _remove(self, run: str, folder: Path) -> None:
        for name in (self._container(run), self._container(run) + INSTALLS):
            await self._engine.remove(name)
        await to_thread(remove_tree, folder)
        await to_thread(self._marks.remove, run)


class _Kept:
    """What is on disk of a run, from its preparation to its removal."""

    def __init__(self, run: Run) -> None:
        self.folder = run.folder / "run"
        self.project = self.folder / "project"
        self.archive = self.folder / "project.tar"
        self.prepared = self.folder / "prepared"
        self.stopped = self.folder / "stopped"

    def remove_project(self) -> None:
        """The container has it."""
        remove_tree(self.project)
        self.archive.unlink(missing_ok=True)


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
