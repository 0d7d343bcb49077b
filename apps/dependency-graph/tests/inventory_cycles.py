"""Cycles of the inventory of MCP servers over a graph in memory, and what ToolHive tells in them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from factories import NOON
from fakes import MemoryGraph

from dependency_graph.application.mcp_inventory import take_registry, take_workloads
from dependency_graph.application.ports import (
    Graph,
    ObservedRegistry,
    ObservedWorkload,
    ObservedWorkloads,
)
from dependency_graph.application.sync import Changes, Transaction
from dependency_graph.domain.dependency import DiscoverySource, Pair
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey

GITHUB_URL = "https://api.githubcopilot.com/mcp"
GITHUB = RegistryEntry("github", urls=(GITHUB_URL,))
FETCH = RegistryEntry("fetch", images=("docker.io/mcp/fetch:1.0",))

RENEWED_AFTER = timedelta(days=1)


def container(name: str, image: str | None = "mcp/fetch:1.0", **told: Any) -> ObservedWorkload:
    return ObservedWorkload(WorkloadKey("docker", "", name), image, remote=False, status="running", **told)


def remote(name: str, upstream: str | None = GITHUB_URL, **told: Any) -> ObservedWorkload:
    return ObservedWorkload(WorkloadKey("docker", "", name), upstream, remote=True, status="running", **told)


def in_kubernetes(workload: ObservedWorkload, namespace: str = "tools") -> ObservedWorkload:
    return replace(workload, key=WorkloadKey("k8s", namespace, workload.key.name))


@dataclass
class MemoryToolhive:
    """Tells what it is given, and fails where that is None."""

    told_workloads: ObservedWorkloads | None = None
    told_registry: ObservedRegistry | None = None

    async def workloads(self) -> ObservedWorkloads:
        if self.told_workloads is None:
            raise SourceFailed("no workloads")
        return self.told_workloads

    async def registry(self) -> ObservedRegistry:
        if self.told_registry is None:
            raise SourceFailed("no registry")
        return self.told_registry


class Inventory:
    """What is known after the cycles that a test has run: in `graph`, unless there is another transaction."""

    def __init__(self, transaction: Transaction | None = None) -> None:
        self.graph = MemoryGraph()
        self._transaction = transaction or self._in_memory
        self.now: datetime = NOON
        self.transactions = 0

    async def lists(
        self,
        *workloads: ObservedWorkload,
        complete: bool = True,
        empty: bool | None = None,
        runtime: str = "docker",
        warnings: tuple[str, ...] = (),
    ) -> Changes:
        """A cycle whose listing has these; unless told, it is empty if it has none."""
        empty = complete and not workloads if empty is None else empty
        told = ObservedWorkloads(runtime, workloads, complete, empty, warnings)
        return await self.takes_workloads(MemoryToolhive(told))

    async def describes(
        self, *entries: RegistryEntry, complete: bool = True, warnings: tuple[str, ...] = ()
    ) -> Changes:
        """A cycle whose registry has these entries."""
        told = ObservedRegistry(entries, complete, warnings)
        return await take_registry(MemoryToolhive(told_registry=told), self._transaction)

    async def takes_workloads(self, source: MemoryToolhive) -> Changes:
        return await take_workloads(source, self._transaction, self.now, RENEWED_AFTER)

    async def takes_registry(self, source: MemoryToolhive) -> Changes:
        return await take_registry(source, self._transaction)

    def server(self, name: str) -> McpServer:
        [server] = [s for key, s in self.graph.known_mcp_servers.items() if key.full_name == name]
        return server

    @property
    def names(self) -> list[str]:
        return sorted(key.full_name for key in self.graph.known_mcp_servers)

    @property
    def matches(self) -> dict[str, Match]:
        return {key.full_name: server.match for key, server in self.graph.known_mcp_servers.items()}

    @property
    def services(self) -> set[str]:
        return set(self.graph.known_services)

    @property
    def pairs(self) -> set[Pair]:
        """What ToolHive is known to have told."""
        told = self.graph.known_dependencies
        return {pair for pair, source in told if source is DiscoverySource.TOOLHIVE}

    @asynccontextmanager
    async def _in_memory(self) -> AsyncGenerator[Graph]:
        self.transactions += 1
        yield self.graph
