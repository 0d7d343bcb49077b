"""What a project needs, installed by a pod, or found installed already."""

import asyncio
import shutil
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from uv import find_uv_bin

from ci_server.runners.container.configuration import HOME, INSTALLER_MEMORY_BYTES, JOB, TEMPORARY
from ci_server.runners.container.installing_container import SCRIPT
from ci_server.runners.environments import Dependencies, Environments
from ci_server.runners.in_thread import in_thread
from ci_server.runners.kubernetes.cluster import Cluster
from ci_server.runners.kubernetes.job_folder import give_to_pods, pods_user
from ci_server.runners.kubernetes.kubernetes_job import CannotBegin, KubernetesJob
from ci_server.runners.kubernetes.manifests import ENVIRONMENT_LABEL, JobSettings
from ci_server.runners.unpacking import remove_tree
from ci_server.running.runner import CannotRun, Run

SCHEME = "kubernetes 1"
"""To be counted up where environments come to be made in another way."""
INSTALLED = "installed"
"""In the folder of an environment: what pods see of it."""
MOST_OUTPUT = 100_000_000


@dataclass(frozen=True, slots=True)
class Installation:
    """Of one run."""

    cluster: Cluster
    environments: Environments
    run: Run
    image: str
    variables: Mapping[str, str]
    """For uv, and for what is built from source."""

    async def install(self, dependencies: Dependencies) -> AsyncGenerator[bytes]:
        """Once for all that have the same dependencies and image. Raises CannotRun."""
        key = self.key(dependencies)
        if self.environments.is_complete(key):
            return
        if self.environments.is_locked(key):
            yield b"-- Another job is installing the same; waiting for it.\n"
        async with self.environments.locked(key):
            if self.environments.is_complete(key):
                return
            await self._remove_others(key)
            folder = await to_thread(self.environments.begin, key)
            (folder / INSTALLED).mkdir()
            await to_thread(give_to_pods, folder / INSTALLED)
            async with aclosing(self._fill(key, dependencies)) as output:
                async for chunk in output:
                    yield chunk
            await to_thread(self.environments.complete, key)

    def key(self, dependencies: Dependencies) -> str:
        return dependencies.key(f"{SCHEME}\n{self.image}")

    async def _remove_others(self, key: str) -> None:
        """Pods of servers that died may be at it still, as the lock of those is free."""
        for resource in await self.cluster.jobs(f"{ENVIRONMENT_LABEL}={key}"):
            name = resource["metadata"]["name"]
            await KubernetesJob(self.cluster.api, name, self.cluster.installing(self.run).folder).remove()

    async def _fill(self, key: str, dependencies: Dependencies) -> AsyncGenerator[bytes]:
        job = self.cluster.installing(self.run)
        await in_thread(lambda abandoned: self._lay_out(job, dependencies, abandoned))
        try:
            await job.create(self._settings(job, key), self._task(dependencies))
            async with aclosing(job.output(self.cluster.patience)) as output:
                async for chunk in output:
                    yield chunk
            await self._check(job)
        except CannotBegin as held_up:
            raise CannotRun(
                f"The pod that was to install the dependencies did not begin: {held_up}"
            ) from None
        finally:
            await asyncio.shield(job.remove())
        await to_thread(remove_tree, job.folder.path)

    def _lay_out(self, job: KubernetesJob, dependencies: Dependencies, abandoned: Any) -> None:
        """The folder to install in: files beside those that count for the key have no say, such as uv.toml."""
        job.folder.lay_out()
        if dependencies.project is None:
            job.folder.project.mkdir()
        else:
            self.cluster.unpack(self.run, job.folder.project, abandoned)
        dependencies.write_to(job.folder.project)
        shutil.copy2(find_uv_bin(), job.folder.path / "uv")
        give_to_pods(job.folder.path)

    def _settings(self, job: KubernetesJob, key: str) -> JobSettings:
        return JobSettings(
            name=job.name,
            labels={**self.cluster.labels(self.run, network=True), ENVIRONMENT_LABEL: key},
            image=self.image,
            memory=min(self.run.spec.memory, INSTALLER_MEMORY_BYTES),
            most_memory=INSTALLER_MEMORY_BYTES,
            cpus=self.run.spec.cpus,
            seconds=self.run.spec.timeout,
            claim=self.cluster.claim,
            job=self.cluster.on_volume(job.folder.path),
            environment=self.cluster.on_volume(self.environments.path(key) / INSTALLED),
            installs=True,
            user=pods_user(),
        )

    def _task(self, dependencies: Dependencies) -> dict[str, Any]:
        own = {"HOME": HOME, "TMPDIR": TEMPORARY, "LANG": "C.UTF-8", "UV_PYTHON_DOWNLOADS": "never"}
        return {
            "command": ["/bin/sh", "-c", SCRIPT, "sh", *dependencies.arguments],
            "folder": JOB,
            "environment_folder": "",
            "variables": {**self.variables, **own, "UV_CACHE_DIR": f"{TEMPORARY}/uv-cache"},
            "most_output": MOST_OUTPUT,
        }

    async def _check(self, job: KubernetesJob) -> None:
        told = await to_thread(job.folder.told)
        if told and told.code == 0 and not told.asked_to_end:
            return
        if told and told.code is not None and not told.asked_to_end:
            raise CannotRun(
                f"The dependencies could not be installed (exit code {told.code}); see the end of the log."
            )
        state = await job.state()
        said = "it ran out of memory" if state.out_of_memory else state.words or "its pod is gone"
        raise CannotRun(f"The installation of the dependencies did not come to its end: {said}")
