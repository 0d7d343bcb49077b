"""The graph in memory, for the queries that ask for no more than everything around a service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dependency_graph.application.queries import DependencyQuery, GraphVersion

_Neighbours = list[tuple[int, int]]
"""Numbers of a dependency and of the service at its far end."""

_BETWEEN = ", \n "
"""As json_agg writes it."""


def is_plain(query: DependencyQuery) -> bool:
    """Whether `query` leaves nothing out that is fresh; a snapshot can answer no other."""
    return (
        not query.include_stale
        and query.include_external
        and query.min_confidence == 0
        and query.dependency_criticality is None
        and query.service_criticality is None
    )


@dataclass(slots=True)
class GraphSnapshot:
    """All services and fresh dependencies at one version, in order, each as the JSON of an answer.

    Its answers are those of the statement `dependencies_of`, byte for byte.
    """

    version: GraphVersion
    number_of: dict[str, int] = field(default_factory=dict[str, int])
    quoted: list[str] = field(default_factory=list[str])
    nodes: list[str] = field(default_factory=list[str])
    edges: list[str] = field(default_factory=list[str])
    ends: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    downstream: list[_Neighbours] = field(default_factory=list[_Neighbours])
    upstream: list[_Neighbours] = field(default_factory=list[_Neighbours])

    def add_nodes(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Services in order of their ids: id, id as JSON, and the JSON of the node without its distance."""
        for service_id, quoted, node in rows:
            self.number_of[service_id] = len(self.nodes)
            self.quoted.append(quoted)
            self.nodes.append(node[:-1] + ',"distance":')
            self.downstream.append([])
            self.upstream.append([])

    def add_edges(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Dependencies in order of their ends, which are known: source, target, and the JSON of the edge."""
        for source, target, edge in rows:
            near, far = self.number_of[source], self.number_of[target]
            self.downstream[near].append((len(self.edges), far))
            self.upstream[far].append((len(self.edges), near))
            self.ends.append((near, far))
            self.edges.append(edge)

    def answer(self, query: DependencyQuery) -> str | None:
        """The JSON that answers a plain query, or None if there is no such service."""
        start = self.number_of.get(query.service_id)
        if start is None:
            return None
        below, edges_below = _walk(
            self.downstream, start, 0 if query.direction == "upstream" else query.depth
        )
        above, edges_above = _walk(
            self.upstream, start, 0 if query.direction == "downstream" else query.depth
        )
        nearest = _nearest(below, above)
        kept, walked = nearest[: query.limit], sorted(edges_below | edges_above)
        named = {start, *(service for _, service in kept)}
        # Only where services are left out can an end of a dependency be missing.
        shown = walked if len(kept) == len(nearest) else [e for e in walked if named.issuperset(self.ends[e])]
        statistics = {
            "total_nodes": len(kept),
            "total_edges": len(shown),
            "upstream_services": len(named & above.keys()) - 1,
            "downstream_services": len(named & below.keys()) - 1,
            "max_depth_reached": kept[-1][0] if kept else 0,
        }
        if len(kept) < len(nearest):
            statistics["omitted_nodes"] = len(nearest) - len(kept)
            statistics["omitted_edges"] = len(walked) - len(shown)
        return self._written(query, start, kept, shown, statistics)

    def _written(
        self,
        query: DependencyQuery,
        start: int,
        kept: Sequence[tuple[int, int]],
        shown: Sequence[int],
        statistics: dict[str, int],
    ) -> str:
        nodes = _BETWEEN.join([f"{self.nodes[service]}{distance}}}" for distance, service in kept])
        edges = _BETWEEN.join([self.edges[edge] for edge in shown])
        counts = ",".join([f'"{name}":{count}' for name, count in statistics.items()])
        truncated = "true" if "omitted_nodes" in statistics else "false"
        return (
            f'{{"service_id":{self.quoted[start]},"direction":"{query.direction}","depth":{query.depth},'
            f'"generation":{self.version.generation},"nodes":[{nodes}],"edges":[{edges}],'
            f'"statistics":{{{counts}}},"truncated":{truncated}}}'
        )


def _walk(neighbours: list[_Neighbours], start: int, depth: int) -> tuple[dict[int, int], set[int]]:
    """The distance of each service that is reached within `depth`, and the dependencies walked."""
    distances, walked, frontier = {start: 0}, set[int](), [start]
    for distance in range(1, depth + 1):
        reached: list[int] = []
        for near in frontier:
            for edge, far in neighbours[near]:
                walked.add(edge)
                if far not in distances:
                    distances[far] = distance
                    reached.append(far)
        frontier = reached
    return distances, walked


def _nearest(below: dict[int, int], above: dict[int, int]) -> list[tuple[int, int]]:
    """What was reached either way, with its distance, the nearest first; without the start."""
    distances = above | below
    for service in above.keys() & below.keys():
        distances[service] = min(above[service], below[service])
    return sorted((distance, service) for service, distance in distances.items() if distance)
