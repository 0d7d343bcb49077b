"""The ports of the application in memory."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from dependency_graph.application.ingest_once import Answer, Repeatable
from dependency_graph.application.ports import Upstream, UpstreamService
from dependency_graph.domain.cycle import Alert, AlertStatus
from dependency_graph.domain.dependency import Dependency, DiscoverySource, Pair
from dependency_graph.domain.errors import GraphUnavailable
from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey
from dependency_graph.domain.service import Criticality, Service
from dependency_graph.domain.span import Call, Half
from dependency_graph.domain.sync_run import RunStatus, SyncRun


class MemoryServices:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def find(self, service_ids: Collection[str]) -> Mapping[str, Service]:
        return {s: self.graph.known_services[s] for s in service_ids if s in self.graph.known_services}

    async def unknown(self, service_ids: Collection[str]) -> Sequence[str]:
        return sorted(set(service_ids) - self.graph.known_services.keys())

    async def save(self, services: Collection[Service]) -> int:
        self.graph.writes += 1
        changed = [s for s in services if self.graph.known_services.get(s.service_id) != s]
        self.graph.known_services.update({s.service_id: s for s in changed})
        return len(changed)

    async def delete(self, service_id: str) -> int | None:
        self.graph.writes += 1
        if self.graph.known_services.pop(service_id, None) is None:
            return None
        doomed = [key for key in self.graph.known_dependencies if service_id in key[0]]
        for key in doomed:
            del self.graph.known_dependencies[key]
        return len(doomed)

    async def idle_placeholders(self, beginnings: Collection[str]) -> Sequence[str]:
        tied = {end for pair, _ in self.graph.known_dependencies for end in pair}
        known = self.graph.known_services.items()
        idle = (name for name, service in known if service.discovered and name not in tied)
        return sorted(name for name in idle if name.startswith(tuple(beginnings)))

    async def withdraw(self, service_ids: Collection[str]) -> Sequence[str]:
        self.graph.writes += 1
        doomed = sorted(set(service_ids) & set(await self.idle_placeholders([""])))
        for service_id in doomed:
            del self.graph.known_services[service_id]
        return doomed


class MemoryDependencies:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def find(self, pairs: Collection[Pair]) -> Mapping[Pair, Sequence[Dependency]]:
        found: dict[Pair, list[Dependency]] = {}
        for (pair, _), row in self.graph.known_dependencies.items():
            if pair in pairs:
                found.setdefault(pair, []).append(row)
        return found

    async def save(self, dependencies: Collection[Dependency]) -> int:
        self.graph.writes += 1
        rows = {(row.pair, row.discovery_source): row for row in dependencies}
        changed = {key: row for key, row in rows.items() if self.graph.known_dependencies.get(key) != row}
        self.graph.known_dependencies.update(changed)
        return len(changed)

    async def withdraw(self, pairs: Collection[Pair], source: DiscoverySource) -> int:
        self.graph.writes += 1
        known = self.graph.known_dependencies
        return sum(known.pop((pair, source), None) is not None for pair in set(pairs))

    async def callers(self, service_ids: Collection[str]) -> Collection[str]:
        return {source for (source, _), _ in self.graph.known_dependencies} & set(service_ids)

    async def reachable_from(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        return self._walk(service_ids, self._fresh(), most)

    async def leading_to(self, service_ids: Collection[str], most: int) -> Sequence[Pair] | None:
        found = self._walk(service_ids, {(target, source) for source, target in self._fresh()}, most)
        return found and [(source, target) for target, source in found]

    async def fresh(self) -> AsyncIterator[Sequence[Pair]]:
        yield list(self._fresh())

    def _fresh(self) -> set[Pair]:
        return {row.pair for row in self.graph.known_dependencies.values() if not row.is_stale}

    def _walk(self, start: Collection[str], pairs: set[Pair], most: int) -> list[Pair] | None:
        reached, frontier = set(start), set(start)
        while frontier:
            frontier = {target for source, target in pairs if source in frontier} - reached
            reached |= frontier
        found = [pair for pair in pairs if pair[0] in reached]
        return None if len(found) > most else found

    async def mark_stale(self, last_observed: datetime) -> int:
        fresh = [
            row
            for row in self.graph.known_dependencies.values()
            if not row.is_stale
            and row.discovery_source is not DiscoverySource.MANUAL
            and row.last_observed_at <= last_observed
        ]
        return await self.save([replace(row, is_stale=True) for row in fresh])


class MemoryAlerts:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def get(self, alert_id: UUID) -> Alert | None:
        return self.graph.known_alerts.get(alert_id)

    async def through(self, service_ids: Collection[str]) -> Sequence[Alert]:
        return [alert for alert in self.graph.known_alerts.values() if set(alert.cycle) & set(service_ids)]

    async def unresolved(self) -> Sequence[Alert]:
        return [a for a in self.graph.known_alerts.values() if a.status is not AlertStatus.RESOLVED]

    async def save(self, alerts: Collection[Alert]) -> None:
        self.graph.writes += bool(alerts)
        self.graph.known_alerts.update({alert.alert_id: alert for alert in alerts})


class MemoryMcpServers:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def entries(self) -> Sequence[RegistryEntry]:
        return list(self.graph.known_entries.values())

    async def save_entries(self, entries: Collection[RegistryEntry]) -> int:
        self.graph.writes += 1
        changed = {e.name: e for e in entries if self.graph.known_entries.get(e.name) != e}
        self.graph.known_entries.update(changed)
        return len(changed)

    async def delete_entries(self, names: Collection[str]) -> int:
        self.graph.writes += 1
        doomed = self.graph.known_entries.keys() & set(names)
        for name in doomed:
            del self.graph.known_entries[name]
        for key, server in self.graph.known_mcp_servers.items():
            if server.match.entry in doomed:
                self.graph.known_mcp_servers[key] = replace(server, match=Match())
        return len(doomed)

    async def all(self) -> Sequence[McpServer]:
        return list(self.graph.known_mcp_servers.values())

    async def save(self, servers: Collection[McpServer]) -> int:
        self.graph.writes += 1
        matched = {server.match.entry for server in servers} - {None}
        assert matched <= self.graph.known_entries.keys()
        changed = {s.key: s for s in servers if self.graph.known_mcp_servers.get(s.key) != s}
        self.graph.known_mcp_servers.update(changed)
        return len(changed)

    async def delete(self, keys: Collection[WorkloadKey]) -> int:
        self.graph.writes += 1
        return sum(self.graph.known_mcp_servers.pop(key, None) is not None for key in set(keys))


class MemoryGeneration:
    def __init__(self) -> None:
        self.value = 0

    async def lock(self) -> int:
        return self.value

    async def advance(self) -> int:
        self.value += 1
        return self.value


class MemoryGraph:
    """A graph whose every use is one transaction; `writes` are the statements that may have changed it."""

    def __init__(self) -> None:
        self.known_services: dict[str, Service] = {}
        self.known_dependencies: dict[tuple[Pair, DiscoverySource], Dependency] = {}
        self.known_alerts: dict[UUID, Alert] = {}
        self.known_entries: dict[str, RegistryEntry] = {}
        self.known_mcp_servers: dict[WorkloadKey, McpServer] = {}
        self.writes = 0
        self.services = MemoryServices(self)
        self.dependencies = MemoryDependencies(self)
        self.alerts = MemoryAlerts(self)
        self.mcp_servers = MemoryMcpServers(self)
        self.generation = MemoryGeneration()
        self.counted: list[tuple[DiscoverySource, int, int]] = []

    def count_ingested(self, source: DiscoverySource, services: int, dependencies: int) -> None:
        self.counted.append((source, services, dependencies))


class MemoryAnswers:
    """`busy` stands for a request with the same key that has not ended."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], tuple[bytes, Answer]] = {}
        self.busy = False

    async def claim(self, request: Repeatable) -> bool:
        return not self.busy

    async def find(self, request: Repeatable) -> tuple[bytes, Answer] | None:
        return self.stored.get((request.key_id, request.idempotency_key))

    async def save(self, request: Repeatable, answer: Answer) -> None:
        self.stored[request.key_id, request.idempotency_key] = (request.body_digest, answer)


class MemoryOpenSpans:
    """Halves that never grow old; `asked` counts the times that they met others."""

    def __init__(self) -> None:
        self.waiting: set[Half] = set()
        self.asked = 0

    async def meet(self, halves: Collection[Half]) -> Sequence[Call]:
        self.asked += 1
        self.waiting |= set(halves)
        paired = [
            (caller, callee)
            for caller in self.waiting
            for callee in self.waiting
            if caller == replace(callee, is_caller=True, service_id=caller.service_id) != callee
        ]
        self.waiting -= {callee for _, callee in paired}
        return [
            Call((caller.service_id, callee.service_id), caller.communication_mode)
            for caller, callee in paired
        ]


class MemoryTurn:
    def __init__(self, runs: "MemoryRuns", source: str) -> None:
        self._runs = runs
        self._source = source

    async def begin(self) -> SyncRun:
        self._runs.check("begin")
        run = SyncRun(uuid4(), self._source, RunStatus.RUNNING, datetime.now(UTC))
        self._runs.known.setdefault(self._source, []).insert(0, run)
        return run

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryGraph]:
        self._runs.check("transaction")
        yield MemoryGraph()

    async def finish(self, run: SyncRun) -> SyncRun:
        self._runs.check("finish")
        self._runs.known[self._source][0] = replace(run, finished_at=datetime.now(UTC))
        return self._runs.known[self._source][0]

    async def end(self) -> None:
        self._runs.taken.discard(self._source)


class MemoryRuns:
    """`taken` are the sources whose turn somebody has; `broken` the steps that find the database away."""

    def __init__(self, *broken: str) -> None:
        self.known: dict[str, list[SyncRun]] = {}
        self.taken: set[str] = set()
        self.broken = broken

    def check(self, step: str) -> None:
        if step in self.broken:
            raise GraphUnavailable

    async def take_turn(self, source: str) -> MemoryTurn | None:
        if source in self.taken:
            return None
        self.taken.add(source)
        return MemoryTurn(self, source)

    async def histories(self, sources: Collection[str]) -> Mapping[str, Sequence[SyncRun]]:
        return {source: runs for source, runs in self.known.items() if source in sources}


class MemoryTopology:
    """Fresh pairs, all hard but those of `soft`; `asked` are the questions and how many services they named.

    Services that are not `described` are of medium criticality, and nobody's. `answered` may put the pairs of
    an answer into a collection of its own.
    """

    def __init__(
        self,
        pairs: Collection[Pair],
        others: Iterable[str] = (),
        described: Mapping[str, UpstreamService] = MappingProxyType({}),
        soft: Collection[Pair] = (),
    ) -> None:
        self.pairs = pairs
        self.names = {name for pair in pairs for name in pair} | set(others)
        self.described = described
        self.soft = soft
        self.asked: list[str] = []
        self.answered: Callable[[Iterable[Pair]], Iterable[Pair]] = list

    async def upstream(self, service_id: str, depth: int) -> Upstream | None:
        if service_id not in self.names:
            return None
        nobodys = UpstreamService(Criticality.MEDIUM, None)
        services = {name: self.described.get(name, nobodys) for name in self.names}
        return Upstream(1, services, [(*pair, pair not in self.soft) for pair in self.pairs])

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator["MemoryTopologySnapshot"]:
        yield MemoryTopologySnapshot(self)


class MemoryTopologySnapshot:
    def __init__(self, topology: MemoryTopology) -> None:
        self._topology = topology

    async def known(self, service_ids: Collection[str]) -> Collection[str]:
        return self._topology.names & set(service_ids)

    async def downstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        self._topology.asked.append(f"downstream {len(service_ids)}")
        return self._topology.answered(pair for pair in self._topology.pairs if pair[0] in service_ids)

    async def upstream(self, service_ids: Collection[str]) -> Iterable[Pair]:
        self._topology.asked.append(f"upstream {len(service_ids)}")
        return self._topology.answered(pair for pair in self._topology.pairs if pair[1] in service_ids)


class MemoryWholeGraph:
    """Nodes and edges as dictionaries, of which each is a piece of its own."""

    def __init__(self, nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> None:
        self.generation = 42
        self._nodes = nodes
        self._edges = edges
        self._types = {node["service_id"]: node["service_type"] for node in nodes}

    async def nodes(self) -> AsyncIterator[Sequence[str]]:
        for node in self._nodes:
            yield [json.dumps(node)]

    async def edges(self) -> AsyncIterator[Sequence[str]]:
        for edge in self._edges:
            yield [json.dumps(edge)]

    async def nodes_with_targets(self) -> AsyncIterator[Sequence[tuple[str, str]]]:
        for node in self._nodes:
            targets = [edge["target"] for edge in self._edges if edge["source"] == node["service_id"]]
            yield [(json.dumps(node), json.dumps([[target, self._types[target]] for target in targets]))]
