"""A ToolHive API server on loopback that knows what a test tells it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from loopback_http import LoopbackHttp, Told, in_json, in_text
from toolhive_answers import Json, detailed, legacy_registry, listed, secrets_of_details, with_secrets

VERSION = "/api/v1beta/version"
GROUPS = "/api/v1beta/groups"
WORKLOADS = "/api/v1beta/workloads"
REGISTRY = "/api/v1beta/registry/default"
PAGES = f"{REGISTRY}/v0.1/servers"
PAGES_OF_OPENAPI = "/registry/default/v0.1/servers"


@dataclass(slots=True)
class Trouble:
    """What is answered to paths like `path` (* is anything), as often as `times` says."""

    path: str
    told: Told
    times: int


@dataclass
class ToolhiveServer:
    """A context manager; as long as it lasts it listens at `url`.

    `workloads` is the list, in which there may be anything, or None; `details` has those of each by name.
    `registry` is in the legacy format; where `servers` are set, the registry is given by pages instead, at those
    of `pages`. `seconds` are how long answers take, by paths like those of `fail`; the first ones wait until there
    are so many requests as `together` says. `asked` counts the requests by path, `targets` has them as they came,
    and `most_at_once` is how many were being answered at once.
    """

    workloads: list[Any] | None = field(default_factory=list[Any])
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    logs: dict[str, str] = field(default_factory=dict[str, str])
    groups: list[str] | None = field(default_factory=lambda: ["default"])
    registry: Json = field(default_factory=legacy_registry)
    servers: list[Any] | None = None
    pages: tuple[str, ...] = (PAGES, PAGES_OF_OPENAPI)
    version: str = "v0.29.1"
    nonce: str = "nonce-3f8a5c1e"
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    together: int = 1
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])
    targets: list[str] = field(default_factory=list[str])
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._at_once = 0
        self._are_together = asyncio.Event()
        self._troubles: list[Trouble] = []
        self._http = LoopbackHttp(self._answer, self.port)

    def __enter__(self) -> Self:
        self._http.start()
        self.port = self._http.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, name: str, *, secrets: bool = False, **told: Any) -> None:
        """A workload with an `image`, or a remote one with an `upstream`; further fields are those of the list.

        With `secrets` there is one wherever there may be one. It takes the place of another of its name.
        """
        if secrets and "upstream" in told:
            told["upstream"] = with_secrets(told["upstream"])
        self.remove(name)
        self.workloads = [*(self.workloads or ()), listed(name, **told)]
        self.details[name] = detailed(name, **told) | (secrets_of_details() if secrets else {})

    def remove(self, name: str) -> None:
        self.workloads = [item for item in self.workloads or () if not _is_named(item, name)]
        self.details.pop(name, None)

    def lose(self, name: str) -> None:
        """It is still in the list, and gone when its details are asked for."""
        del self.details[name]

    def fail(self, path: str, status: int = 500, body: Any = "failed", times: int = 1_000_000) -> None:
        """Answer so to paths like `path`; a text is plain, a status of 0 breaks the connection off."""
        told = in_text(body, status) if isinstance(body, str) else in_json(body, status)
        self.answer_instead(path, told, times)

    def answer_instead(self, path: str, told: Told, times: int = 1_000_000) -> None:
        self._troubles.insert(0, Trouble(path, told, times))

    def recover(self) -> None:
        """Answer as it should, at once."""
        self._troubles.clear()
        self.seconds.clear()

    async def _answer(self, target: str) -> Told:
        parts = urlsplit(target)
        self.targets.append(target)
        self.asked[parts.path] += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self._at_once >= self.together:
            self._are_together.set()
        try:
            await self._are_together.wait()
            await asyncio.sleep(
                max(
                    (self.seconds[like] for like in self.seconds if fnmatchcase(parts.path, like)),
                    default=0.0,
                )
            )
        finally:
            self._at_once -= 1
        return self._trouble(parts.path) or self._regular(parts.path, dict(parse_qsl(parts.query)))

    def _trouble(self, path: str) -> Told | None:
        for trouble in self._troubles:
            if trouble.times and fnmatchcase(path, trouble.path):
                trouble.times -= 1
                return trouble.told
        return None

    def _regular(self, path: str, params: dict[str, str]) -> Told:
        if path in self.pages and self.servers is not None:
            return self._page(self.servers, params)
        if path.startswith(f"{WORKLOADS}/"):
            return self._of_workload(*path.removeprefix(f"{WORKLOADS}/").split("/"))
        answers: dict[str, Callable[[], Told]] = {
            "/health": lambda: Told(204, headers={"X-Toolhive-Nonce": self.nonce}),
            VERSION: lambda: in_json({"version": self.version}),
            GROUPS: lambda: in_json({"groups": self.groups and [_group(name) for name in self.groups]}),
            WORKLOADS: lambda: self._list(params),
            REGISTRY: self._registry,
        }
        return answers.get(path, lambda: in_text("404 page not found", 404))()

    def _list(self, params: dict[str, str]) -> Told:
        group, everything = params.get("group"), params.get("all") == "true"
        if group and group not in (self.groups or ()):
            return in_text("group not found", 404)
        if self.workloads is None:
            return in_json({"workloads": None})
        asked_for = [item for item in self.workloads if _is_asked_for(item, group, everything=everything)]
        return in_json({"workloads": asked_for})

    def _of_workload(self, quoted: str, what: str = "") -> Told:
        name = unquote(quoted)
        match what:
            case "" if name in self.details:
                return in_json(self.details[name])
            case "logs" if name in self.logs:
                return in_text(self.logs[name], 200)
            case _:
                return in_text("Workload not found", 404)

    def _registry(self) -> Told:
        if self.servers is not None:
            return in_json({"code": "registry_legacy_format", "message": "run thv registry convert"}, 502)
        about = {"name": "default", "type": "default", "source": "", "auth_status": "none", "auth_type": ""}
        number = sum(len(servers) for servers in self.registry.values() if isinstance(servers, dict))
        return in_json({**about, "server_count": number, "registry": self.registry})

    def _page(self, servers: list[Any], params: dict[str, str]) -> Told:
        page, limit = int(params.get("page", "1")), min(int(params.get("limit", "50")), 200)
        metadata = {"page": page, "limit": limit, "total": len(servers)}
        return in_json({"servers": servers[(page - 1) * limit : page * limit], "metadata": metadata})


def _is_named(item: Any, name: str) -> bool:
    return isinstance(item, dict) and item.get("name") == name


def _is_asked_for(item: Any, group: str | None, *, everything: bool) -> bool:
    if not isinstance(item, dict):
        return True
    return group in {None, item.get("group")} and (everything or item.get("status") == "running")


def _group(name: str) -> Json:
    return {"name": name, "registered_clients": []}
