"""Finding circular dependencies: pure computation on pairs of ids."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import rustworkx
from rustworkx.visit import DFSVisitor

from dependency_graph.domain.cycle import Cycle, canonical
from dependency_graph.domain.dependency import Pair

MOST_TRACED = 100
"""Pairs of one ingest for which the shortest cycle through them is looked for."""

_Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Search:
    """The cycles found, and how many of the given pairs lie on a cycle that was not looked for."""

    cycles: frozenset[Cycle]
    untraced: int


def search_cycles(pairs: Iterable[Pair], touched: Collection[Pair]) -> Search:
    """A shortest cycle of each strongly connected component, and one through each of `touched`.

    The number of all cycles grows exponentially in a dense graph, so no more than these are named; of
    `touched` the first MOST_TRACED on a cycle, in order. The outcome depends on the graph alone.
    """
    knots = _Knots(sorted(set(pairs)))
    tied = knots.edges_of(sorted(touched))
    cycles = knots.shortest_of_each() + [knots.shortest_through(edge) for edge in tied[:MOST_TRACED]]
    named = frozenset(canonical([knots.names[node] for node in cycle]) for cycle in cycles)
    return Search(named, max(0, len(tied) - MOST_TRACED))


class _BackEdges(DFSVisitor):
    """Collects the edges that close a cycle; with them taken away, none would be left."""

    def __init__(self) -> None:
        self.found: list[_Edge] = []

    def back_edge(self, e: tuple[int, int, object]) -> None:
        self.found.append((e[0], e[1]))


class _Knots:
    """The strongly connected components of more than one service, where all cycles are."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.names = sorted({name for pair in pairs for name in pair})
        self._index = {name: number for number, name in enumerate(self.names)}
        graph: rustworkx.PyDiGraph[None, None] = rustworkx.PyDiGraph()
        graph.add_nodes_from([None] * len(self.names))
        graph.extend_from_edge_list([(self._index[source], self._index[target]) for source, target in pairs])
        knots = [knot for knot in rustworkx.strongly_connected_components(graph) if len(knot) > 1]
        self._knot_of = {node: number for number, knot in enumerate(knots) for node in knot}
        self._successors = {node: self._tied_successors(graph, node) for node in self._knot_of}
        visitor = _BackEdges()
        rustworkx.dfs_search(graph, sorted(min(knot) for knot in knots), visitor)
        self._back_edges = sorted(visitor.found)

    def _tied_successors(self, graph: "rustworkx.PyDiGraph[None, None]", node: int) -> list[int]:
        knot = self._knot_of[node]
        return sorted(n for n in graph.successor_indices(node) if self._knot_of.get(n) == knot)

    def edges_of(self, pairs: Iterable[Pair]) -> list[_Edge]:
        """Those of `pairs` that lie on a cycle."""
        edges = ((self._index.get(source, -1), self._index.get(target, -1)) for source, target in pairs)
        return [edge for edge in edges if edge[1] in self._successors.get(edge[0], ())]

    def shortest_of_each(self) -> list[list[int]]:
        best: dict[int, list[int]] = {}
        for edge in self._back_edges:
            knot = self._knot_of[edge[0]]
            shorter_than = len(best[knot]) if knot in best else len(self.names) + 1
            cycle = self.shortest_through(edge, shorter_than)
            if cycle:
                best[knot] = cycle
        return list(best.values())

    def shortest_through(self, edge: _Edge, shorter_than: int | None = None) -> list[int]:
        """A shortest cycle through `edge`, without repeating its start; empty if none is short enough."""
        goal, start = edge
        came_from, frontier, length = {start: start}, [start], 1
        while frontier and goal not in came_from and (shorter_than is None or length + 1 < shorter_than):
            frontier = self._next_frontier(frontier, came_from)
            length += 1
        if goal not in came_from:
            return []
        path = [goal]
        while path[-1] != start:
            path.append(came_from[path[-1]])
        return path[::-1]

    def _next_frontier(self, frontier: list[int], came_from: dict[int, int]) -> list[int]:
        reached: list[int] = []
        for node in frontier:
            for follower in self._successors[node]:
                if follower not in came_from:
                    came_from[follower] = node
                    reached.append(follower)
        return reached
