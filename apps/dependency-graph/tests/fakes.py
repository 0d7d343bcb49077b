"""The ports of the application in memory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from dependency_graph.application.ingest_once import Answer, Repeatable
from dependency_graph.domain.cycle import Alert
from dependency_graph.domain.dependency import Dependency, DiscoverySource, Pair
from dependency_graph.domain.service import Service


class MemoryServices:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def find(self, service_ids: Collection[str]) -> Mapping[str, Service]:
        return {s: self.graph.known_services[s] for s in service_ids if s in self.graph.known_services}

    async def save(self, services: Collection[Service]) -> int:
        changed = [s for s in services if self.graph.known_services.get(s.service_id) != s]
        self.graph.known_services.update({s.service_id: s for s in changed})
        return len(changed)

    async def delete(self, service_id: str) -> int | None:
        if self.graph.known_services.pop(service_id, None) is None:
            return None
        doomed = [key for key in self.graph.known_dependencies if service_id in key[0]]
        for key in doomed:
            del self.graph.known_dependencies[key]
        return len(doomed)


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
        rows = {(row.pair, row.discovery_source): row for row in dependencies}
        changed = {key: row for key, row in rows.items() if self.graph.known_dependencies.get(key) != row}
        self.graph.known_dependencies.update(changed)
        return len(changed)

    async def reachable_from(self, service_ids: Collection[str]) -> Iterable[Pair]:
        pairs = {row.pair for row in self.graph.known_dependencies.values() if not row.is_stale}
        reached, frontier = set(service_ids), set(service_ids)
        while frontier:
            frontier = {target for source, target in pairs if source in frontier} - reached
            reached |= frontier
        return [pair for pair in pairs if pair[0] in reached]


class MemoryAlerts:
    def __init__(self, graph: "MemoryGraph") -> None:
        self.graph = graph

    async def get(self, alert_id: UUID) -> Alert | None:
        return self.graph.known_alerts.get(alert_id)

    async def through(self, service_ids: Collection[str]) -> Sequence[Alert]:
        return [alert for alert in self.graph.known_alerts.values() if set(alert.cycle) & set(service_ids)]

    async def save(self, alerts: Collection[Alert]) -> None:
        self.graph.known_alerts.update({alert.alert_id: alert for alert in alerts})


class MemoryGeneration:
    def __init__(self) -> None:
        self.value = 0

    async def lock(self) -> int:
        return self.value

    async def advance(self) -> int:
        self.value += 1
        return self.value


class MemoryGraph:
    """A graph whose every use is one transaction."""

    def __init__(self) -> None:
        self.known_services: dict[str, Service] = {}
        self.known_dependencies: dict[tuple[Pair, DiscoverySource], Dependency] = {}
        self.known_alerts: dict[UUID, Alert] = {}
        self.services = MemoryServices(self)
        self.dependencies = MemoryDependencies(self)
        self.alerts = MemoryAlerts(self)
        self.generation = MemoryGeneration()


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
