"""The part of the graph that follows from the workloads, and keeping the graph true to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dependency_graph.application.cycle_watch import resolve_cycles
from dependency_graph.application.ingest import Batch, Edge, ingest
from dependency_graph.application.ports import Graph
from dependency_graph.domain.dependency import Attributes, Dependency, DiscoverySource, Pair
from dependency_graph.domain.errors import InvalidServiceId
from dependency_graph.domain.mcp_server import WORKLOAD, McpServer
from dependency_graph.domain.server_url import ServerUrl
from dependency_graph.domain.service import Service, ServiceType, check_service_id

TOOLHIVE = DiscoverySource.TOOLHIVE
HOST = "remote:"
"""What the ids of services begin with that are the hosts of remote workloads."""


@dataclass(frozen=True, slots=True)
class McpTopology:
    """Services and dependencies, and the names of the workloads of which not all can be in the graph."""

    services: Mapping[str, ServiceType]
    dependencies: Mapping[Pair, Attributes]
    left_out: Sequence[str]


@dataclass(frozen=True, slots=True)
class Redrawn:
    """How much the graph changed, and its number now."""

    services_upserted: int
    services_removed: int
    dependencies_upserted: int
    dependencies_removed: int
    cycles_found: int
    generation: int
    warnings: Sequence[str]


def topology_of(servers: Iterable[McpServer]) -> McpTopology:
    """Each workload is a service, and a remote one depends on the host it leads to."""
    services: dict[str, ServiceType] = {}
    dependencies: dict[Pair, Attributes] = {}
    left_out: list[str] = []
    for server in servers:
        try:
            services[check_service_id(server.service_id)] = ServiceType.INTERNAL
            if server.remote:
                upstream = _upstream(server.package)
                target = check_service_id(f"{HOST}{upstream.location}")
                services[target] = ServiceType.EXTERNAL
                dependencies[server.service_id, target] = Attributes(protocol=upstream.scheme)
        except InvalidServiceId:
            left_out.append(server.key.full_name)
    return McpTopology(services, dependencies, left_out)


async def redraw(
    graph: Graph,
    before: McpTopology,
    after: McpTopology,
    seen: McpTopology,
    now: datetime,
    renewed_after: timedelta,
) -> Redrawn:
    """Make the graph follow from `before` to `after`; where nothing changes, nothing is written.

    A dependency that was `seen` now is told again if it is not there as it should be, or stale, or last observed
    more than `renewed_after` ago. What `after` has no more goes: ToolHive's word of dependencies, and then placeholders
    that no dependency touches.
    """
    withdrawn = await _withdraw(graph, before.dependencies.keys() - after.dependencies.keys(), now)
    removed = await _remove_idle(graph, after.services.keys())
    added = await _add(graph, after.services)
    edges = await _due(graph, seen.dependencies, now - renewed_after)
    hints = {edge.pair[1]: ServiceType.EXTERNAL for edge in edges}
    done = await ingest(Batch(TOOLHIVE, now, [], edges, hints), graph, now)
    generation, ingested = done.generation, done.nodes_upserted or done.edges_upserted
    if not ingested and (withdrawn or removed or added):
        generation = await graph.generation.advance()
    return Redrawn(
        added + done.nodes_upserted,
        removed,
        done.edges_upserted,
        withdrawn,
        sum(found.new for found in done.cycles),
        generation,
        done.warnings,
    )


async def _withdraw(graph: Graph, pairs: Collection[Pair], now: datetime) -> int:
    if not pairs:
        return 0
    alerts = await graph.alerts.through({source for source, _ in pairs})
    withdrawn = await graph.dependencies.withdraw(pairs, TOOLHIVE)
    await resolve_cycles(graph, alerts, now)
    return withdrawn


async def _remove_idle(graph: Graph, needed: Collection[str]) -> int:
    """Those too that something else referred to when their workload went."""
    idle = set(await graph.services.idle_placeholders([WORKLOAD, HOST])) - set(needed)
    return len(await graph.services.withdraw(idle)) if idle else 0


async def _add(graph: Graph, services: Mapping[str, ServiceType]) -> int:
    unknown = await graph.services.unknown(services.keys())
    if not unknown:
        return 0
    return await graph.services.save([Service.placeholder(name, services[name]) for name in unknown])


async def _due(graph: Graph, dependencies: Mapping[Pair, Attributes], last_observed: datetime) -> list[Edge]:
    known = await graph.dependencies.find(dependencies.keys())
    return [
        Edge(pair, attributes)
        for pair, attributes in sorted(dependencies.items())
        if not any(_holds(row, attributes, last_observed) for row in known.get(pair, ()))
    ]


def _holds(row: Dependency, attributes: Attributes, last_observed: datetime) -> bool:
    return (
        row.discovery_source is TOOLHIVE
        and not row.is_stale
        and row.attributes == attributes
        and row.last_observed_at >= last_observed
    )


def _upstream(package: str) -> ServerUrl:
    url = ServerUrl.parse(package)
    if url is None:
        raise InvalidServiceId("a service cannot be named after what is no URL")
    return url
