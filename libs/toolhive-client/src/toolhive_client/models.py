"""What is known of workloads and registries, whichever runtime told it; nothing else of an answer is kept."""

from dataclasses import dataclass

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as a listing tells of it; None is what it does not tell.

    `namespace` is that of Kubernetes, empty elsewhere. `status` is lower case. `url` is where clients reach it.
    `image` is that of a container. `upstream_url` is what a remote one leads to: the list of ToolHive's API
    server never tells it, only the details do.
    """

    name: str
    status: str = UNKNOWN
    remote: bool = False
    namespace: str = ""
    transport: str | None = None
    proxy_mode: str | None = None
    url: str | None = None
    image: str | None = None
    upstream_url: str | None = None
    group: str | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """All workloads of a listing that could be read, and the number of items that could not."""

    workloads: tuple[Workload, ...]
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class WorkloadDetails:
    """How a workload was made; `url` is what a remote one leads to, `image` that of a container."""

    name: str
    image: str | None = None
    url: str | None = None
    transport: str | None = None
    proxy_mode: str | None = None
    group: str | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """An entry of a registry: the images it is run from, and the URLs at which it is run by others."""

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
class Registry:
    """All entries that could be read, each name once, and the number of those that could not."""

    servers: tuple[RegistryServer, ...]
    unreadable: int = 0
