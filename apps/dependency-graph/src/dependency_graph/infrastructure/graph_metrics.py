import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Row

from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.statements import statement
from observability import TracedHistogram

COUNTED_EVERY_SECONDS = 30.0
_COUNTED_WITHIN_SECONDS = 5.0

traversal_seconds = TracedHistogram(
    "graph_traversal_duration_seconds",
    "Time that PostgreSQL took to walk the dependencies of a service, by the depth asked for",
    ["depth"],
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


class GraphMetrics:
    """The size and age of the graph, as PostgreSQL has it when a scrape asks, at most every 30 s in a process.

    So the answer is the same from every worker. There is none while the database is away.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._due = clock()
        self._turn = asyncio.Lock()
        self._counted: Sequence[Metric] = ()

    async def collect(self) -> Sequence[Metric]:
        """Takes 5 s at the most."""
        async with self._turn:
            if self._clock() >= self._due:
                self._counted = await self._count()
                self._due = self._clock() + COUNTED_EVERY_SECONDS
        return self._counted

    async def _count(self) -> Sequence[Metric]:
        try:
            async with asyncio.timeout(_COUNTED_WITHIN_SECONDS), self._database.read() as connection:
                size = (await connection.execute(statement("graph_size"))).one()
                successes = (await connection.execute(statement("last_successes"))).all()
                return [*_sizes(size), _last_successes(successes)]
        except (GraphUnavailable, GraphBusy, TimeoutError):
            return ()


def _sizes(size: Row[Any]) -> Sequence[Metric]:
    services = GaugeMetricFamily(
        "graph_services", "Services in the graph, discovered ones not registered", labels=["discovered"]
    )
    services.add_metric(["true"], size.discovered_services)
    services.add_metric(["false"], size.registered_services)
    dependencies = GaugeMetricFamily(
        "graph_dependencies",
        "Dependencies in the graph, one for each source that reports it",
        labels=["stale"],
    )
    dependencies.add_metric(["true"], size.stale_dependencies)
    dependencies.add_metric(["false"], size.fresh_dependencies)
    cycles = GaugeMetricFamily(
        "graph_open_cycles", "Circular dependencies whose alert is open", value=size.open_cycles
    )
    return services, dependencies, cycles


def _last_successes(successes: Sequence[Row[Any]]) -> Metric:
    metric = GaugeMetricFamily(
        "sync_last_success_timestamp_seconds",
        "When the last run of a source ended that succeeded",
        labels=["source"],
    )
    for success in successes:
        metric.add_metric([success.source], success.finished_at)
    return metric
