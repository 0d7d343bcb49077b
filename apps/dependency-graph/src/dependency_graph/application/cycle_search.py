"""Finding circular dependencies: pure computation on pairs of ids."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dependency_graph.application.pair_graph import PairGraph
from dependency_graph.domain.cycle import Cycle, canonical
from dependency_graph.domain.dependency import Pair

MOST_TRACED = 100
"""Pairs of one ingest for which the shortest cycle through them is looked for."""

_Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Search:
    """The cycles found, and how many of the given pairs lie on a cycle that was not looked for.

    `through_touched` are those of `cycles` that lead through one of the given pairs.
    """

    cycles: frozenset[Cycle]
    through_touched: frozenset[Cycle]
    untraced: int


def search_cycles(pairs: Iterable[Pair], touched: Collection[Pair]) -> Search:
    """A shortest cycle of each strongly connected component, and one through each of `touched`.

    The number of all cycles grows exponentially in a dense graph, so no more than these are named; of
    `touched` the first MOST_TRACED on a cycle, in order. The outcome depends on the graph alone.
    """
    whole = PairGraph()
    whole.add(pairs)
    knots = Knots(whole)
    knots.touch(sorted(touched))
    return knots.search()


class Knots:
    """The strongly connected components of more than one service, where all cycles are.

    With `holding` only those in which both ends of one of these pairs are. The pairs of an ingest come to
    `touch` in parts, all in order; then `search` has the outcome.
    """

    def __init__(self, pairs: PairGraph, holding: Collection[Pair] | None = None) -> None:
        cyclic = pairs.cyclic_part(holding)
        self._names, self._knot_of, self._successors = cyclic.names, cyclic.knot_of, cyclic.successors
        self._index = {name: number for number, name in enumerate(self._names)}
        self._shortest = self._shortest_of_each(cyclic.back_edges())
        self._on_shortest = {edge for cycle in self._shortest for edge in _edges(cycle)}
        self._touched: set[_Edge] = set()
        self._tied: list[_Edge] = []
        self._untraced = 0

    def __bool__(self) -> bool:
        return bool(self._names)

    def touch(self, pairs: Iterable[Pair]) -> None:
        for source, target in pairs:
            edge = (self._index.get(source, -1), self._index.get(target, -1))
            if not self._is_tied(edge):
                continue
            if edge in self._on_shortest:
                self._touched.add(edge)
            if len(self._tied) < MOST_TRACED:
                self._tied.append(edge)
            else:
                self._untraced += 1

    def search(self) -> Search:
        traced = [self._shortest_through(edge) for edge in self._tied]
        touched = [cycle for cycle in self._shortest if not self._touched.isdisjoint(_edges(cycle))]
        through_touched = frozenset(map(self._named, traced + touched))
        cycles = through_touched | frozenset(map(self._named, self._shortest))
        return Search(cycles, through_touched, self._untraced)

    def _named(self, cycle: Sequence[int]) -> Cycle:
        return canonical([self._names[node] for node in cycle])

    def _is_tied(self, edge: _Edge) -> bool:
        source, target = edge
        successors = self._successors[source] if min(edge) >= 0 else ()
        place = bisect_left(successors, target)
        return place < len(successors) and successors[place] == target

    def _shortest_of_each(self, back_edges: Iterable[_Edge]) -> list[list[int]]:
        best: dict[int, list[int]] = {}
        for edge in back_edges:
            knot = self._knot_of[edge[0]]
            shorter_than = len(best[knot]) if knot in best else len(self._names) + 1
            cycle = self._shortest_through(edge, shorter_than)
            if cycle:
                best[knot] = cycle
        return list(best.values())

    def _shortest_through(self, edge: _Edge, shorter_than: int | None = None) -> list[int]:
        """A shortest cycle through `edge`, without repeating its start; empty if none is short enough."""
        goal, start = edge
        came_from, frontier, length = {start: start}, [start], 1
        while frontier and goal not in came_from and (shorter_than is None or length + 1 < shorter_than):
            frontier = self._next_frontier(frontier, came_from)
            length += 1
        return _path(came_from, start, goal) if goal in came_from else []

    def _next_frontier(self, frontier: list[int], came_from: dict[int, int]) -> list[int]:
        reached: list[int] = []
        for node in frontier:
            for follower in self._successors[node]:
                if follower not in came_from:
                    came_from[follower] = node
                    reached.append(follower)
        return reached


def _path(came_from: Mapping[int, int], start: int, goal: int) -> list[int]:
    path = [goal]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _edges(cycle: Sequence[int]) -> list[_Edge]:
    return list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
