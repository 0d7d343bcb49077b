"""What can be asked of the MCP servers and of the registry that describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class McpServerFilter:
    """Which MCP servers are wanted: all that fulfil what is not None."""

    from_registry: bool | None
    group: str | None
    status: str | None
    remote: bool | None


@dataclass(frozen=True, slots=True)
class RegistryFilter:
    """Which entries are wanted: all that fulfil what is not None; `text` is part of the name, in any case.

    `remote` entries have URLs.
    """

    text: str | None
    remote: bool | None


@dataclass(frozen=True, slots=True)
class RegistryEntryView:
    """A server that the registry describes; `workloads` are the MCP servers that were made from it."""

    name: str
    title: str | None
    description: str | None
    images: Sequence[str]
    urls: Sequence[str]
    transport: str | None
    status: str | None
    tier: str | None
    repository_url: str | None
    tags: Sequence[str]
    tools: Sequence[str]
    workloads: Sequence[str]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class McpServerView:
    """An MCP server that is deployed.

    `package` is what it was made from: an image, or the URL that a remote one leads to; `url` is where clients
    reach it. `version_differs`: the registry has the same image with another tag or digest. `ambiguous`: other
    entries of the registry match as well. `service_id` is its id in the graph.
    """

    name: str
    runtime: str
    namespace: str | None
    status: str
    transport: str | None
    proxy_mode: str | None
    url: str | None
    package: str
    remote: bool
    group: str | None
    tools: Sequence[str]
    from_registry: bool
    registry_entry_name: str | None
    version_differs: bool
    ambiguous: bool
    service_id: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class McpServerDetails(McpServerView):
    """An MCP server with the entry of the registry that it was made from."""

    registry_entry: RegistryEntryView | None


class InventoryReader(Protocol):
    async def mcp_servers(self, wanted: McpServerFilter, after: str, limit: int) -> Sequence[McpServerView]:
        """The servers whose name comes after `after`, in order of their names, at most `limit`."""
        ...

    async def mcp_server(self, name: str) -> McpServerDetails | None:
        """The server of that full name."""
        ...

    async def registry(self, wanted: RegistryFilter, after: str, limit: int) -> Sequence[RegistryEntryView]:
        """The entries whose name comes after `after`, in order of their names, at most `limit`."""
        ...
