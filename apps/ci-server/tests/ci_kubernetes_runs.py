"""Runs of the Kubernetes runner, with a volume of their own."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ci_kubernetes_server import NAMESPACE, KubernetesServer, kubernetes_server
from ci_wheelhouse import installs_from
from ci_zips import PROJECT, a_zip

from ci_server.domain.course import Exit
from ci_server.domain.job import JobSpec
from ci_server.runners.kubernetes.api_server import ApiServer
from ci_server.runners.kubernetes.kubernetes_job import Patience
from ci_server.runners.kubernetes.kubernetes_runner import KubernetesRunner
from ci_server.running.runner import CannotRun, Run
from ci_server.storage.job_files import JobFiles

IMAGE = "docker.io/library/python:3.12-slim"
PREFIX, CLAIM = "ours", "ci-data"
BOUND_SECONDS = 120


@dataclass(frozen=True)
class KubernetesRuns:
    server: KubernetesServer
    files: JobFiles
    wheels: Path
    token_file: Path
    """Both beside the volume."""
    runners: list[KubernetesRunner] = field(default_factory=list[KubernetesRunner])

    def another_runner(self, patience: Patience | None = None, most_output: int = 10**9) -> KubernetesRunner:
        """As another server has it, of the same installation."""
        runner = made_runner(self.server.url, self.files, self.wheels.parent, patience, most_output)
        self.runners.append(runner)
        return runner

    def made(
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
        spec = replace(spec or JobSpec(), command=command)
        return Run(job_id, 1, spec, project, folder, environment or {}, command)


def made_runner(
    url: str, files: JobFiles, folder: Path, patience: Patience | None = None, most_output: int = 10**9
) -> KubernetesRunner:
    """With a token and wheels that are in a folder."""
    return KubernetesRunner(
        ApiServer(url, NAMESPACE, folder / "token"),
        files,
        prefix=PREFIX,
        image=IMAGE,
        claim=CLAIM,
        max_unpacked_bytes=10**8,
        max_entries=10_000,
        max_output_bytes=most_output,
        variables=installs_from(folder / "wheelhouse"),
        patience=patience,
    )


@asynccontextmanager
async def kubernetes_runs(folder: Path, token: str | None = None) -> AsyncGenerator[KubernetesRuns]:
    """In a folder that may have been used before, by runs that are gone. Nothing of these goes on afterwards."""
    async with kubernetes_server(folder / "data", token) as server:
        runs = KubernetesRuns(server, JobFiles(folder / "data"), folder / "wheelhouse", folder / "token")
        try:
            yield runs
        finally:
            for runner in runs.runners:
                await runner.close()


async def prepare(runner: KubernetesRunner, run: Run) -> bytes:
    """What that prints; where it fails, that is with the error."""
    printed = b""
    async with asyncio.timeout(BOUND_SECONDS), aclosing(runner.prepare(run)) as chunks:
        try:
            async for chunk in chunks:
                printed += chunk
        except CannotRun as error:
            error.add_note(printed.decode(errors="replace"))
            raise
    return printed


async def begun(runner: KubernetesRunner, run: Run) -> Run:
    await prepare(runner, run)
    await runner.start(run)
    return run


async def end_of(runner: KubernetesRunner, run: Run) -> tuple[bytes, Exit]:
    async with asyncio.timeout(BOUND_SECONDS):
        return await all_of(runner.output(run)), await runner.exit(run)


async def all_of(output: AsyncGenerator[bytes]) -> bytes:
    async with asyncio.timeout(BOUND_SECONDS), aclosing(output) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def until_printed(runner: KubernetesRunner, run: Run, text: bytes) -> None:
    seen = b""
    async with asyncio.timeout(BOUND_SECONDS), aclosing(runner.output(run)) as chunks:
        async for chunk in chunks:
            seen += chunk
            if text in seen:
                return
    raise AssertionError(seen)
