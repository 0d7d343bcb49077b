"""MCP servers: the workloads that run, the registry that describes them, and which belongs to which."""

from dataclasses import dataclass
from typing import NamedTuple

WORKLOAD = "mcp:"
"""What the ids of services begin with that are workloads."""


class WorkloadKey(NamedTuple):
    """What no two workloads share. `runtime` is docker or k8s, `namespace` empty where there are none."""

    runtime: str
    namespace: str
    name: str

    @property
    def full_name(self) -> str:
        """The name by which it is asked for, and known in the graph."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A server that a registry describes: the images it is run from, the URLs at which others run it."""

    name: str
    images: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    title: str | None = None
    description: str | None = None
    transport: str | None = None
    status: str | None = None
    tier: str | None = None
    repository_url: str | None = None
    tags: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The entry of the registry that a workload was made from; `entry` is None where there is none.

    `version_differs`: the same image with another tag or digest. `ambiguous`: others match as well.
    """

    entry: str | None = None
    version_differs: bool = False
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class McpServer:
    """A workload. `package` is what it was made from: an image, or the URL that a remote one leads to.

    `url` is where clients reach it. `missed` says that the latest listing was empty, which is believed only
    when the next one is as well.
    """

    key: WorkloadKey
    package: str
    remote: bool
    status: str
    transport: str | None = None
    proxy_mode: str | None = None
    url: str | None = None
    group: str | None = None
    tools: tuple[str, ...] = ()
    match: Match = Match()
    missed: bool = False

    @property
    def service_id(self) -> str:
        """Its name among the services of the graph."""
        return f"{WORKLOAD}{self.key.full_name}"
