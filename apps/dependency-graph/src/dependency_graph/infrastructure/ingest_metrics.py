from prometheus_client import Counter

from dependency_graph.domain.dependency import DiscoverySource

_services_total = Counter(
    "graph_ingested_services_total", "Services that sources told of, once for each ingest", ["source"]
)
_dependencies_total = Counter(
    "graph_ingested_dependencies_total", "Dependencies that sources told of, once for each ingest", ["source"]
)


class Tally:
    """What one transaction takes in, to be counted once that is committed."""

    def __init__(self) -> None:
        self._told: list[tuple[DiscoverySource, int, int]] = []

    def add(self, source: DiscoverySource, services: int, dependencies: int) -> None:
        self._told.append((source, services, dependencies))

    def count(self) -> None:
        for source, services, dependencies in self._told:
            _services_total.labels(source).inc(services)
            _dependencies_total.labels(source).inc(dependencies)
