"""A Kubernetes API server on loopback that knows ToolHive's resources, and answers as a test has it answer."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kubernetes_objects import Json
from loopback_http import Told, in_json, in_text

GROUP = "toolhive.stacklok.dev"
LIST_KINDS = {
    "mcpservers": "MCPServerList",
    "mcpremoteproxies": "MCPRemoteProxyList",
    "mcpserverentries": "MCPServerEntryList",
}
REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
}


@dataclass(frozen=True, slots=True)
class KubernetesAsked:
    """What came in; the names of the headers are in lower case."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


def status(code: int, message: str = "no", headers: Mapping[str, str] | None = None) -> Told:
    """How Kubernetes says that something went wrong."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": REASONS.get(code, "Unknown"),
        "code": code,
    }
    told = in_json(body, code)
    return Told(code, told.body, {**told.headers, **(headers or {})})


def forbidden(plural: str) -> Told:
    user = "system:serviceaccount:fleet:fleet"
    return status(
        403,
        f'{plural}.{GROUP} is forbidden: User "{user}" cannot list resource "{plural}" in API group "{GROUP}" '
        "at the cluster scope",
    )


@dataclass
class KubernetesServer:
    """Serves the lists of all namespaces that `serve` gave it; what it was not given is not installed.

    `token` is what clients must show. `instead` are answers that take the place of the next ones to a list, and
    `seconds` is how long answers to it take. A page has `page_size` items at the most.
    """

    url: str
    token: str | None = None
    page_size: int = 500
    lists: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    instead: dict[str, deque[Told]] = field(default_factory=dict[str, deque[Told]])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    asked: list[KubernetesAsked] = field(default_factory=list[KubernetesAsked])
    answering: int = 0
    most_at_once: int = 0

    def serve(self, plural: str, *resources: Any, version: str = "v1beta1") -> None:
        """Install a resource, with these objects; anything may stand for one."""
        self.lists[f"/apis/{GROUP}/{version}/{plural}"] = list(resources)

    def answer_instead(self, plural: str, *answers: Told) -> None:
        self.instead[plural] = deque(answers)

    def asked_for(self, plural: str) -> list[KubernetesAsked]:
        return [asked for asked in self.asked if asked.path.endswith(f"/{plural}")]

    async def answer(self, asked: KubernetesAsked) -> Told:
        self.asked.append(asked)
        plural = asked.path.rpartition("/")[2]
        self.answering += 1
        self.most_at_once = max(self.most_at_once, self.answering)
        try:
            await asyncio.sleep(self.seconds.get(plural, 0))
        finally:
            self.answering -= 1
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            return status(401, "Unauthorized")
        if waiting := self.instead.get(plural):
            return waiting.popleft()
        if (resources := self.lists.get(asked.path)) is None:
            return in_text("404 page not found", 404)
        return self._page(plural, asked, resources)

    def _page(self, plural: str, asked: KubernetesAsked, resources: list[Any]) -> Told:
        start = int(asked.params.get("continue", "0"))
        end = start + min(int(asked.params["limit"]), self.page_size)
        metadata: Json = {"resourceVersion": "48200"}
        if end < len(resources):
            metadata |= {"continue": str(end), "remainingItemCount": len(resources) - end}
        return listed(plural, *resources[start:end], metadata=metadata, version=asked.path.split("/")[3])


def listed(plural: str, *resources: Any, metadata: Json | None = None, version: str = "v1beta1") -> Told:
    """A page of a list."""
    return in_json(
        {
            "apiVersion": f"{GROUP}/{version}",
            "kind": LIST_KINDS[plural],
            "metadata": metadata or {"resourceVersion": "48200"},
            "items": resources,
        }
    )


@asynccontextmanager
async def kubernetes_server(
    token: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[KubernetesServer]:
    """A server that has all three resources installed, and no object yet."""
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            closes = False
            while not closes:
                told = await kubernetes.answer(await _asked(reader))
                writer.write(told.in_bytes())
                await writer.drain()
                closes = told.headers.get("Connection") == "close"
        except (OSError, asyncio.IncompleteReadError):
            # The client has heard enough.
            pass
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    kubernetes = KubernetesServer(f"{'https' if tls else 'http'}://127.0.0.1:{port}", token)
    for plural in LIST_KINDS:
        kubernetes.serve(plural)
    try:
        yield kubernetes
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _asked(reader: asyncio.StreamReader) -> KubernetesAsked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.split("\r\n")[:-2]
    target = urlsplit(request.split(" ")[1])
    headers = dict(line.split(": ", 1) for line in lines)
    return KubernetesAsked(
        target.path, dict(parse_qsl(target.query)), {name.lower(): value for name, value in headers.items()}
    )
