"""As much of Kubernetes as running Jobs needs: its API on loopback, its Job controller, and pods as a test has them."""

import asyncio
import base64
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Json = dict[str, Any]
NAMESPACE = "jobs-of-ci"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "AlreadyExists", 422: "Invalid"}
KINDS = {
    "jobs": ("/apis/batch/v1", "Job", "batch/v1"),
    "pods": ("/api/v1", "Pod", "v1"),
    "secrets": ("/api/v1", "Secret", "v1"),
}


@dataclass
class Pod:
    """A pod, and what a test has become of it."""

    resource: Json
    volume: Path
    """What is on the volume of the claim, as this machine sees it."""
    task: Json
    asked_to_end: asyncio.Event = field(default_factory=asyncio.Event)
    grace: int = 30
    life: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.resource["metadata"]["name"]

    @property
    def spec(self) -> Json:
        return self.resource["spec"]

    @property
    def container(self) -> Json:
        return self.spec["containers"][0]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.resource["metadata"]["labels"]

    @property
    def installs(self) -> bool:
        return self.labels["job-name"].endswith("-install")

    def folder(self, mount: str) -> Path:
        """Where something that is mounted from the volume is."""
        found = next(one for one in self.container["volumeMounts"] if one["mountPath"] == mount)
        return self.volume / found["subPath"]

    def is_unschedulable(self, message: str) -> None:
        scheduled = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        self.resource["status"] = {"phase": "Pending", "conditions": [scheduled]}

    def waits(self, reason: str, message: str = "") -> None:
        self._container({"waiting": {"reason": reason, "message": message}}, "Pending")

    def runs(self) -> None:
        self._container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "Running")

    def ends(self, code: int, reason: str = "", message: str = "") -> None:
        said = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "message": message}
        self._container({"terminated": said}, "Failed" if code else "Succeeded")

    def is_evicted(self, message: str) -> None:
        self.resource["status"] = {"phase": "Failed", "reason": "Evicted", "message": message}

    def prints(self, data: bytes) -> None:
        with (self.folder("/job") / "log").open("ab") as log:
            log.write(data)

    def tells(self, code: int, **what: Any) -> None:
        """How the command has ended, as the part of ours that runs in the pod does."""
        told = {"code": code, "asked_to_end": False, "too_much": False, **what}
        (self.folder("/job") / "exit").write_text(json.dumps(told))

    def _container(self, state: Json, phase: str) -> None:
        status = {"name": "run", "ready": False, "restartCount": 0, "state": state}
        self.resource["status"] = {"phase": phase, "containerStatuses": [status]}


Life = Callable[[Pod], Awaitable[None]]
"""What becomes of a pod; it has ended when this returns, unless it says otherwise."""


async def succeeds(pod: Pod) -> None:
    """At once, with nothing printed."""
    pod.tells(0)
    pod.ends(0)


@dataclass(frozen=True)
class Answer:
    """One that takes the place of the one that would have come."""

    code: int
    message: str = "no"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class KubernetesServer:
    """`lives` tells what becomes of pods, by the name of the Job, or of all as `*`. `token` is what must be shown.

    `instead` are answers for the next requests of a kind (`POST jobs`).
    """

    volume: Path
    url: str = ""
    token: str | None = None
    lives: dict[str, Life] = field(default_factory=lambda: {"*": succeeds})
    makes_pods: bool = True
    resources: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    asked: list[tuple[str, str, Json | None]] = field(default_factory=list[tuple[str, str, Json | None]])
    instead: dict[str, deque[Answer]] = field(default_factory=dict[str, deque[Answer]])
    made: list[Pod] = field(default_factory=list[Pod])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def app(self) -> web.Application:
        app = web.Application()
        for kind, (group, _, _) in KINDS.items():
            at = f"{group}/namespaces/{NAMESPACE}/{kind}"
            app.router.add_get(at, self._list)
            app.router.add_post(at, self._create)
            app.router.add_get(f"{at}/{{name}}", self._get)
            app.router.add_patch(f"{at}/{{name}}", self._patch)
            app.router.add_delete(f"{at}/{{name}}", self._delete)
        app.middlewares.append(self._checked)
        return app

    def answer_instead(self, request: str, *answers: Answer) -> None:
        self.instead[request] = deque(answers)

    def requests(self, request: str) -> int:
        """How often it came: `POST jobs`."""
        return sum(f"{method} {path.split('/')[0]}" == request for method, path, _ in self.asked)

    def only_pod(self) -> Pod:
        [pod] = self.pods.values()
        return pod

    async def overtime(self, name: str) -> None:
        """A Job's deadline has come."""
        job = self.resources["jobs"][name]
        self._condition(job, "FailureTarget", "DeadlineExceeded")
        await self._end_pods(name, None)
        self._condition(job, "Failed", "DeadlineExceeded")

    async def make_another_pod(self, name: str) -> Pod:
        """As may happen, rarely; it has ended when this returns."""
        self._make_pod(self.resources["jobs"][name])
        pod = self.made[-1]
        assert pod.life
        await pod.life
        return pod

    @web.middleware
    async def _checked(self, request: web.Request, handler: Any) -> web.StreamResponse:
        kind, name = _kind(request), request.match_info.get("name", "")
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, f"{kind}/{name}", body))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        if waiting := self.instead.get(f"{request.method} {kind}"):
            answer = waiting.popleft()
            if answer.code == 0:
                assert request.transport
                request.transport.abort()
            return _status(answer.code or 500, answer.message, answer.headers)
        return await handler(request)

    async def _list(self, request: web.Request) -> web.Response:
        kind = _kind(request)
        wanted = [one.split("=") for one in request.query.get("labelSelector", "").split(",") if one]
        found = [
            one
            for one in self.resources[kind].values()
            if all(one["metadata"].get("labels", {}).get(name) == value for name, value in wanted)
        ]
        _, name, version = KINDS[kind]
        return web.json_response({"kind": f"{name}List", "apiVersion": version, "items": found})

    async def _get(self, request: web.Request) -> web.Response:
        found = self.resources[_kind(request)].get(request.match_info["name"])
        return web.json_response(found) if found else _not_found(request)

    async def _create(self, request: web.Request) -> web.Response:
        kind, resource = _kind(request), await request.json()
        name = resource["metadata"]["name"]
        if not DNS_LABEL.fullmatch(name) or resource["kind"] != KINDS[kind][1]:
            return _status(422, f"{name} is invalid")
        if name in self.resources[kind]:
            return _status(409, f'{kind} "{name}" already exists')
        resource |= {"status": {}}
        self.resources[kind][name] = resource
        if kind == "jobs" and self.makes_pods:
            self._make_pod(resource)
        return web.json_response(resource, status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        job = self.resources[_kind(request)].get(request.match_info["name"])
        if not job:
            return _not_found(request)
        assert await request.json() == {"spec": {"suspend": True}}
        job["spec"]["suspend"] = True
        self._spawn(self._suspend(job))
        return web.json_response(job)

    async def _delete(self, request: web.Request) -> web.Response:
        kind, name = _kind(request), request.match_info["name"]
        resource = self.resources[kind].get(name)
        if not resource:
            return _not_found(request)
        if kind == "pods":
            self._spawn(self._end_pod(self.pods[name], int(request.query.get("gracePeriodSeconds", "30"))))
        else:
            del self.resources[kind][name]
        if kind == "jobs":
            assert request.query["propagationPolicy"] == "Background"
            self._spawn(self._end_pods(name, None))
        return web.json_response(resource)

    def _make_pod(self, job: Json) -> None:
        name = job["metadata"]["name"]
        template = json.loads(json.dumps(job["spec"]["template"]))
        metadata = {
            "name": f"{name}-{uuid.uuid4().hex[:5]}",
            "labels": {**template["metadata"]["labels"], "job-name": name},
        }
        resource = {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}}
        [secret] = [one["secret"]["secretName"] for one in template["spec"]["volumes"] if "secret" in one]
        data = self.resources["secrets"][secret]["data"]["task.json"]
        pod = Pod(resource, self.volume, json.loads(base64.b64decode(data)))
        self.resources["pods"][pod.name], self.pods[pod.name] = resource, pod
        self.made.append(pod)
        pod.life = self._spawn(self._live(pod, job))

    async def _live(self, pod: Pod, job: Json) -> None:
        await self.lives.get(job["metadata"]["name"], self.lives["*"])(pod)
        phase = pod.resource["status"]["phase"]
        if phase in {"Succeeded", "Failed"} and not job["spec"].get("suspend"):
            failed = phase == "Failed"
            reason = "BackoffLimitExceeded" if failed else "CompletionsReached"
            self._condition(job, "Failed" if failed else "Complete", reason)

    async def _suspend(self, job: Json) -> None:
        await self._end_pods(job["metadata"]["name"], None)
        if not {"Complete", "Failed"} & {one["type"] for one in job["status"].get("conditions", [])}:
            self._condition(job, "Suspended", "JobSuspended")

    async def _end_pods(self, job: str, grace: int | None) -> None:
        pods = [pod for pod in self.pods.values() if pod.labels["job-name"] == job]
        for pod in pods:
            if pod.resource["status"]["phase"] in {"Pending", "Running"} or job not in self.resources["jobs"]:
                await self._end_pod(
                    pod, pod.spec["terminationGracePeriodSeconds"] if grace is None else grace
                )

    async def _end_pod(self, pod: Pod, grace: int) -> None:
        pod.grace = min(pod.grace, grace)
        pod.asked_to_end.set()
        if pod.life and pod.grace == 0:
            pod.life.cancel()
        if pod.life:
            await asyncio.wait({pod.life}, timeout=None if pod.labels["job-name"] else 0)
        self.resources["pods"].pop(pod.name, None)
        self.pods.pop(pod.name, None)

    def _condition(self, job: Json, kind: str, reason: str) -> None:
        conditions = job["status"].setdefault("conditions", [])
        conditions.append({"type": kind, "status": "True", "reason": reason})

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def _status(code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": REASONS.get(code, "Unknown"),
        "code": code,
    }
    return web.json_response(body, status=code, headers=headers)


def _kind(request: web.Request) -> str:
    return request.path.partition(f"/namespaces/{NAMESPACE}/")[2].split("/")[0]


def _not_found(request: web.Request) -> web.Response:
    return _status(404, f'{_kind(request)} "{request.match_info["name"]}" not found')


@asynccontextmanager
async def kubernetes_server(volume: Path, token: str | None = None) -> AsyncGenerator[KubernetesServer]:
    """Serve it, on loopback."""
    server = KubernetesServer(volume, token=token)
    runner = web.AppRunner(server.app(), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
        tasks = list(server.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
