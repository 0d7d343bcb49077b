"""A Job, its pod and its Secret."""

import asyncio
import math
from asyncio import to_thread
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ci_server.runners.kubernetes import manifests
from ci_server.runners.kubernetes.api_server import ApiServer, Json
from ci_server.runners.kubernetes.job_folder import JobFolder
from ci_server.runners.kubernetes.job_state import JobState, has_ended
from ci_server.running.runner import RunnerAway

POLL_SECONDS = 0.015
ASK_SECONDS = 1.0
"""Between two questions how a Job is whose end its folder would tell."""
STOP_POLL_SECONDS = 0.1
KILL_SECONDS = 30.0
"""How long the end of a pod may take after its grace, before it is given up."""


class CannotBegin(Exception):
    """A pod was held up for too long, and will not begin any more; the text is Kubernetes' own."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a pod may be held up."""

    image: float = 60.0
    """By its image, or what else keeps its container from being made."""
    place: float = 600.0
    """Because no node takes it, while others may be on their way."""


class KubernetesJob:
    """Of one name, with the folder that its pod writes to. Everything raises RunnerAway."""

    def __init__(self, api: ApiServer, name: str, folder: JobFolder) -> None:
        self.name = name
        self.folder = folder
        self._api = api

    async def create(self, settings: manifests.JobSettings, task: dict[str, Any]) -> None:
        """Never a second one of that name. Raises CannotRun."""
        await self._api.create("secrets", manifests.secret(self.name, settings.labels, task))
        await self._api.create("jobs", await to_thread(manifests.job, settings))

    async def is_there(self) -> bool:
        return await self._api.find("jobs", self.name) is not None

    async def state(self) -> JobState:
        return (await self._look())[0]

    async def ended(self) -> JobState:
        """How it is once its pod has ended, or cannot be seen to end although its command has."""
        state = JobState()
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_SECONDS):
                while not (state := await self.state()).ended:  # noqa: ASYNC110  # Kubernetes sets no event
                    await asyncio.sleep(STOP_POLL_SECONDS)
        return state

    async def output(self, patience: Patience) -> AsyncGenerator[bytes]:
        """All that its command prints, from the first byte, until it has ended. Raises CannotBegin."""
        loop, at, ask_at, state = asyncio.get_running_loop(), 0, 0.0, JobState()
        held_up = _HeldUp(patience)
        while True:
            if loop.time() >= ask_at:
                state = await self.state()
                ask_at = loop.time() + ASK_SECONDS
                if held_up.for_too_long(state, loop.time()) and await to_thread(self.folder.claim):
                    await self.stop(0)
                    raise CannotBegin(state.words)
            chunk, ended = await to_thread(self.folder.read, at)
            if chunk:
                at += len(chunk)
                yield chunk
            elif ended or state.ended:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self, grace_seconds: float) -> None:
        """Returns when its pod has ended; no other one will be made."""
        loop = asyncio.get_running_loop()
        kill_at, asked = loop.time() + grace_seconds + KILL_SECONDS, set[tuple[str, int]]()
        state, pods = await self._look()
        if not state.finished:
            await self._api.patch("jobs", self.name, {"spec": {"suspend": True}})
        while not (state.finished and all(map(has_ended, pods))):
            late = loop.time() > kill_at
            if late and loop.time() > kill_at + KILL_SECONDS:
                raise RunnerAway(f"Kubernetes does not end the pod of the Job {self.name}: {state.words}")
            await self._delete(pods, 0 if late else max(1, math.ceil(grace_seconds)), asked)
            await asyncio.sleep(STOP_POLL_SECONDS)
            state, pods = await self._look()

    async def remove(self) -> None:
        """Leave nothing of it in the cluster; a pod that goes on is killed."""
        await self.stop(0)
        await self._api.delete("jobs", self.name, propagationPolicy="Background")
        await self._api.delete("secrets", self.name)

    async def _look(self) -> tuple[JobState, list[Json]]:
        """The pods first: a Job that has come to its end makes no more of them."""
        pods = await self._api.list("pods", f"job-name={self.name}")
        job = await self._api.find("jobs", self.name)
        return JobState.of(job, pods), pods

    async def _delete(self, pods: list[Json], grace_seconds: int, asked: set[tuple[str, int]]) -> None:
        """Each once; with a grace of 0 it is no more than forgotten, as its node may be gone."""
        for name in [pod["metadata"]["name"] for pod in pods if not has_ended(pod)]:
            if (name, grace_seconds) not in asked:
                asked.add((name, grace_seconds))
                await self._api.delete("pods", name, gracePeriodSeconds=str(grace_seconds))


class _HeldUp:
    """Since when a Job has been."""

    def __init__(self, patience: Patience) -> None:
        self._seconds = {"image": patience.image, "place": patience.place}
        self._by: str | None = None
        self._since = 0.0

    def for_too_long(self, state: JobState, now: float) -> bool:
        if state.held_up != self._by:
            self._by, self._since = state.held_up, now
        return state.held_up is not None and now - self._since >= self._seconds[state.held_up]
