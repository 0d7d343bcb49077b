"""Runs jobs as Jobs of Kubernetes, on any number of machines."""

import json
import os
import re
import signal
import time
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from threading import Event

from ci_server.domain.course import Exit
from ci_server.runners.container.configuration import ENVIRONMENT, HOME, PROJECT, TEMPORARY
from ci_server.runners.environments import Dependencies, Environments, installer_variables
from ci_server.runners.globs import matcher
from ci_server.runners.in_thread import in_thread
from ci_server.runners.kubernetes.api_server import ApiServer
from ci_server.runners.kubernetes.cluster import INSTALLS, Cluster
from ci_server.runners.kubernetes.installation import INSTALLED, Installation
from ci_server.runners.kubernetes.job_folder import give_to_pods, pods_user
from ci_server.runners.kubernetes.job_state import JobState
from ci_server.runners.kubernetes.kubernetes_job import CannotBegin, KubernetesJob, Patience
from ci_server.runners.kubernetes.manifests import RUN_LABEL, JobSettings
from ci_server.runners.process.artifact_copy import copy_artifacts
from ci_server.runners.unpacking import remove_tree
from ci_server.running.runner import CannotRun, Run
from ci_server.storage.job_files import JobFiles

LONGEST_PREFIX = 63 - len("-") - 32 - len("-0000") - len(INSTALLS)
"""Names of Jobs have 63 characters at most: `<prefix>-<job id>-<attempt>-install`."""
KILLED = 128 + signal.SIGKILL
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*(/[A-Za-z0-9_][A-Za-z0-9._:@-]*)*")
NAME = re.compile(r"(?P<job>[0-9A-Za-z-]+)-(?P<attempt>[1-9][0-9]*)")


class KubernetesRunner:
    """Each run is a Job, whose pod sees its project and what was installed for it of a volume that all share.

    What a run prints goes through a file of that volume, not through the log of its pod: that one loses what
    is more than 10 MB, and is gone with the pod; and secrets are in it that ought to be masked. All that is made is
    named `<prefix>-…` and has the label `dev.fleet.ci=<prefix>`; what has not is never touched. The bound of
    processes is that of the nodes (`podPidsLimit`).
    """

    def __init__(
        self,
        api: ApiServer,
        files: JobFiles,
        *,
        prefix: str,
        image: str,
        claim: str,
        max_unpacked_bytes: int,
        max_entries: int,
        max_output_bytes: int,
        variables: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Make it for one API server, which is closed with it.

        CI_DATA_DIR (`files`) is the root of the volume of `claim`. `variables` is the server's environment
        (os.environ if None), of which installations get what sets package indexes, proxies and certificates.
        `max_output_bytes` ends a run also while no controller follows it.
        """
        self._cluster = Cluster(
            api,
            prefix,
            claim,
            files.data_dir,
            max_unpacked_bytes,
            max_entries,
            patience or Patience(),
        )
        self._files = files
        self._marks = files.data_dir / "kubernetes-runs"
        self._environments = Environments(files.environments)
        self._image = image
        self._max_output_bytes = max_output_bytes
        self._variables = installer_variables(os.environ if variables is None else variables)

    @property
    def name(self) -> str:
        return "kubernetes"

    async def prepare(self, run: Run) -> AsyncGenerator[bytes]:
        ends_at = time.time() + run.spec.timeout
        image = self._image_of(run)
        kept = _Kept(run.folder)
        if await to_thread(self._was_begun, run, kept):
            await self.remove(run)
        await in_thread(lambda abandoned: self._lay_out(run, kept, abandoned))
        dependencies = await to_thread(Dependencies.of, run.project)
        installation = Installation(self._cluster, self._environments, run, image, self._variables)
        async with aclosing(installation.install(dependencies)) as output:
            async for chunk in output:
                yield chunk
        prepared = {"environment": installation.key(dependencies), "image": image, "ends_at": ends_at}
        await to_thread(kept.prepared.write_text, json.dumps(prepared))

    async def start(self, run: Run) -> None:
        if await self.is_there(run):
            return
        job = self._job(run)
        try:
            prepared = json.loads(await to_thread(_Kept(run.folder).prepared.read_bytes))
        except FileNotFoundError:
            raise CannotRun("The run is not prepared, or was removed; retry the job.") from None
        if not self._environments.is_complete(prepared["environment"]):
            raise CannotRun("What was installed for the run is not there any more; retry the job.")
        await job.create(self._settings(run, job, **prepared), self._task(run))

    async def is_there(self, run: Run) -> bool:
        """Also where its Job is gone: its folder tells the rest."""
        job = self._job(run)
        return await to_thread(job.folder.was_claimed) or await job.is_there()

    async def output(self, run: Run) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(self._job(run).output(self._cluster.patience)) as output:
                async for chunk in output:
                    yield chunk
        except CannotBegin as held_up:
            await to_thread(_Kept(run.folder).held_up.write_text, f"Its pod could not begin: {held_up}")

    async def exit(self, run: Run) -> Exit:
        """How it ended: as its pod told, unless Kubernetes has ended it."""
        kept, job = _Kept(run.folder), self._job(run)
        if kept.held_up.exists():
            return Exit(None, "lost", await to_thread(kept.held_up.read_text))
        told = await to_thread(job.folder.told)
        if told and told.why:
            return Exit(None, "lost", told.why)
        if told and told.too_much:
            return Exit(told.code, "output")
        if told and not told.asked_to_end and told.code != KILLED:
            return Exit(told.code)
        state = await job.ended()
        code = told.code if told else state.code
        was_ours = kept.stopped.exists() or (told is not None and not told.asked_to_end)
        return _ended_by_kubernetes(state, code, was_ours)

    async def stop(self, run: Run, grace_seconds: float) -> None:
        with suppress(OSError):
            await to_thread(_Kept(run.folder).stopped.touch)
        await self._job(run).stop(grace_seconds)

    async def collect(self, run: Run, globs: Sequence[str], into: Path) -> None:
        project, wanted = self._job(run).folder.project, matcher(globs)
        await in_thread(lambda abandoned: copy_artifacts(project, wanted, into, abandoned))

    async def remove(self, run: Run) -> None:
        await self._remove(run.name, run.folder)

    async def names(self) -> Sequence[str]:
        """Also of those of which nothing but the folder is there."""
        marked = await to_thread(self._marked)
        jobs = await self._cluster.jobs()
        return sorted(
            {*marked, *(job["metadata"].get("labels", {}).get(RUN_LABEL, "") for job in jobs)} - {""}
        )

    async def remove_by_name(self, name: str) -> None:
        if found := NAME.fullmatch(name):
            await self._remove(name, self._files.attempt(found["job"], int(found["attempt"])))

    async def close(self) -> None:
        await self._cluster.api.close()

    def _job(self, run: Run) -> KubernetesJob:
        return self._cluster.running(run.name, run.folder)

    def _image_of(self, run: Run) -> str:
        image = run.spec.image or self._image
        if not IMAGE.fullmatch(image):
            raise CannotRun(
                f"{image!r} is no name of an image (form field `image`), such as python:3.12-slim."
            )
        return image

    def _was_begun(self, run: Run, kept: "_Kept") -> bool:
        return kept.folder.exists() or (self._marks / run.name).exists()

    def _lay_out(self, run: Run, kept: "_Kept", abandoned: Event) -> None:
        """The mark comes before the folder, and goes after it: so none is left that `names` does not tell."""
        self._marks.mkdir(parents=True, exist_ok=True)
        (self._marks / run.name).touch()
        kept.folder.mkdir()
        folder = self._job(run).folder
        folder.lay_out()
        self._cluster.unpack(run, folder.project, abandoned)
        give_to_pods(folder.path)

    def _settings(
        self, run: Run, job: KubernetesJob, environment: str, image: str, ends_at: float
    ) -> JobSettings:
        return JobSettings(
            name=job.name,
            labels=self._cluster.labels(run, network=run.spec.network),
            image=image,
            memory=run.spec.memory,
            most_memory=run.spec.memory,
            cpus=run.spec.cpus,
            seconds=max(1, round(ends_at - time.time())),
            claim=self._cluster.claim,
            job=self._cluster.on_volume(job.folder.path),
            environment=self._cluster.on_volume(self._environments.path(environment) / INSTALLED),
            installs=False,
            user=pods_user(),
        )

    def _task(self, run: Run) -> dict[str, object]:
        """With the trap the shell outlives SIGTERM until what it waits for has ended, and begins nothing else."""
        own = {
            "HOME": HOME,
            "TMPDIR": TEMPORARY,
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": f"{ENVIRONMENT}/venv",
            "PYTHONPATH": f"{PROJECT}/src:{PROJECT}",
        }
        return {
            "command": ["/bin/sh", "-c", f"trap 'exit 143' TERM\n{run.command}"],
            "folder": PROJECT,
            "environment_folder": f"{ENVIRONMENT}/venv",
            "variables": {**own, **run.environment},
            "most_output": self._max_output_bytes,
        }

    def _marked(self) -> Sequence[str]:
        return [mark.name for mark in self._marks.iterdir()] if self._marks.is_dir() else []

    async def _remove(self, name: str, attempt: Path) -> None:
        for job in (self._cluster.installing_for(name, attempt), self._cluster.running(name, attempt)):
            await job.remove()
        await to_thread(remove_tree, _Kept(attempt).folder)
        await to_thread((self._marks / name).unlink, missing_ok=True)


class _Kept:
    """What is on disk of a run, from its preparation to its removal, for the server alone."""

    def __init__(self, attempt: Path) -> None:
        self.folder = attempt / "run"
        self.prepared = self.folder / "prepared"
        self.stopped = self.folder / "stopped"
        self.held_up = self.folder / "held-up"


def _ended_by_kubernetes(state: JobState, code: int | None, was_ours: bool) -> Exit:
    """`was_ours`: it ended by itself, or we asked it to."""
    if state.overtime:
        return Exit(code, "timeout")
    if state.out_of_memory:
        return Exit(code, "memory")
    if was_ours:
        return Exit(code)
    return Exit(code, "lost", f"Kubernetes ended its pod: {state.words}" if state.words else None)
