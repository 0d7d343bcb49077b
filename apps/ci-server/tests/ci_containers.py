"""A container engine for tests, and runs on it."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ci_wheelhouse import installs_from
from ci_zips import PROJECT, a_zip

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec
from ci_server.runners.container.configuration import LABEL
from ci_server.runners.container.container_runner import ContainerRunner
from ci_server.runners.container.engine import Engine
from ci_server.running.runner import Run
from ci_server.storage.job_files import JobFiles

IMAGE = "docker.io/library/python:3.12-slim"
MEGABYTE = 1_000_000
BOUND_SECONDS = 120


def engine_url() -> str:
    """TEST_DOCKER_HOST; skips the test without."""
    if url := os.environ.get("TEST_DOCKER_HOST"):
        return url
    pytest.skip("a container engine is not installed, or TEST_DOCKER_HOST does not say where")


@dataclass(frozen=True)
class Installation:
    """An installation of the server: its prefix, its data folder, and wheels to install from."""

    prefix: str
    files: JobFiles
    wheels: Path

    def runner(self, url: str, *, network: str = "bridge") -> ContainerRunner:
        return ContainerRunner(
            Engine(url),
            self.files,
            prefix=self.prefix,
            image=IMAGE,
            max_unpacked_bytes=100 * MEGABYTE,
            max_entries=10_000,
            network=network,
            binds=[f"{self.wheels}:{self.wheels}:ro"],
            variables=installs_from(self.wheels),
        )

    def run(
        self,
        command: str = "true",
        *,
        files: Mapping[str, bytes] = PROJECT,
        environment: Mapping[str, str] | None = None,
        spec: JobSpec | None = None,
    ) -> Run:
        """One of a job of its own, with a project of these files."""
        job_id = secrets.token_hex(16)
        project, folder = self.files.project(job_id), self.files.attempt(job_id, 1)
        folder.mkdir(parents=True)
        project.write_bytes(a_zip(files))
        return Run(
            job_id=job_id,
            attempt=1,
            spec=replace(spec or JobSpec(), command=command),
            project=project,
            folder=folder,
            environment=environment or {},
            command=command,
        )


def new_prefix() -> str:
    return f"test-{secrets.token_hex(4)}"


async def clean(url: str, prefix: str) -> None:
    """Remove all that an installation has left on the engine."""
    engine, label = Engine(url), f"{LABEL}={prefix}"
    for name in await engine.names(label):
        await engine.remove(name)
    for volume in await engine.volumes(label):
        await engine.remove_volume(volume)
    await engine.close()


async def prepared(runner: ContainerRunner, run: Run) -> bytes:
    """What its preparation prints."""
    return await _all(runner.prepare(run))


async def printed_by(runner: ContainerRunner, run: Run) -> bytes:
    return await _all(runner.output(run))


async def ran(runner: ContainerRunner, run: Run) -> tuple[bytes, Exit]:
    """From the beginning to the end: what it printed, and how it ended."""
    await prepared(runner, run)
    await runner.start(run)
    return await printed_by(runner, run), await runner.exit(run)


async def collected(runner: ContainerRunner, run: Run, globs: Sequence[str], into: Path) -> Iterable[str]:
    """The paths of what was copied."""
    await runner.collect(run, globs, into)
    return await asyncio.to_thread(
        lambda: sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())
    )


async def create_only(runner: ContainerRunner, run: Run) -> None:
    """As a controller that dies between the creation of a container and its start."""

    class Died(Exception):
        pass

    async def die(name: str) -> None:
        raise Died

    engine = runner._engine
    start, engine.start = engine.start, die
    try:
        with pytest.raises(Died):
            await runner.start(run)
    finally:
        engine.start = start


async def _all(output: AsyncGenerator[bytes]) -> bytes:
    async with asyncio.timeout(BOUND_SECONDS), aclosing(output) as chunks:
        return b"".join([chunk async for chunk in chunks])
