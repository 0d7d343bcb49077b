"""All pairs that a search for cycles looks at, in little memory, and what of them can lie on a cycle."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import rustworkx
from rustworkx.visit import DFSVisitor

from dependency_graph.domain.dependency import Pair

_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class CyclicPart:
    """Strongly connected components of more than one service, and nothing between them.

    Services are numbered in the order of their `names`, the numbers of `successors` are in order.
    """

    names: Sequence[str]
    knot_of: Sequence[int]
    successors: Sequence[Sequence[int]]

    def back_edges(self) -> list[tuple[int, int]]:
        """Edges, in order, without which no cycle would be left."""
        first = {knot: node for node, knot in reversed(list(enumerate(self.knot_of)))}
        visitor = _BackEdges()
        rustworkx.dfs_search(_directed(self.successors), sorted(first.values()), visitor)
        return sorted(visitor.found)


class PairGraph:
    """Pairs of services, which come in parts and in any order; some 10 bytes for each that comes."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._successors: list[list[int]] = []

    def add(self, pairs: Iterable[Pair]) -> None:
        for source, target in pairs:
            self._successors[self._number(source)].append(self._number(target))

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._successors))
        if number == len(self._successors):
            self._successors.append([])
        return number

    def cyclic_part(self, holding: Collection[Pair] | None = None) -> CyclicPart:
        """What can lie on a cycle; with `holding` only the components that hold both ends of one of these."""
        knot_of = self._knot_of(holding)
        members = sorted((name, node) for name, node in self._numbers.items() if node in knot_of)
        places = {node: place for place, (_, node) in enumerate(members)}
        successors = [
            sorted({places[n] for n in self._successors[node] if knot_of.get(n) == knot_of[node]})
            for _, node in members
        ]
        return CyclicPart([name for name, _ in members], [knot_of[node] for _, node in members], successors)

    def _knot_of(self, holding: Collection[Pair] | None) -> dict[int, int]:
        components = rustworkx.strongly_connected_components(_directed(self._successors))
        knots = enumerate(knot for knot in components if len(knot) > 1)
        knot_of = {node: number for number, knot in knots for node in knot}
        if holding is None:
            return knot_of
        ends = [[knot_of.get(self._numbers.get(name, -1)) for name in pair] for pair in holding]
        held = {source for source, target in ends if source == target}
        return {node: knot for node, knot in knot_of.items() if knot in held}


class _BackEdges(DFSVisitor):
    """Collects the edges that close a cycle; with them taken away, none would be left."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []

    def back_edge(self, e: tuple[int, int, object]) -> None:
        self.found.append((e[0], e[1]))


def _directed(successors: Sequence[Sequence[int]]) -> "rustworkx.PyDiGraph[None, None]":
    graph: rustworkx.PyDiGraph[None, None] = rustworkx.PyDiGraph()
    graph.add_nodes_from([None] * len(successors))
    edges = ((source, target) for source, targets in enumerate(successors) for target in targets)
    while part := list(islice(edges, _AT_ONCE)):
        graph.extend_from_edge_list(part)
    return graph
