"""What a query must answer, by a plain breadth-first walk over rows in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dependency_graph.domain.dependency import PRIORITY, DiscoverySource, Pair


@dataclass(frozen=True)
class Row:
    """What one source knows of one pair."""

    pair: Pair
    source: DiscoverySource
    criticality: str
    confidence: float
    is_stale: bool


@dataclass(frozen=True)
class Asked:
    start: str
    direction: str
    depth: int
    include_stale: bool
    include_external: bool
    min_confidence: float
    criticality: str | None
    limit: int


@dataclass(frozen=True)
class Found:
    """Distances by service, in order; the pairs walked, each with the source whose attributes stand."""

    nodes: list[tuple[str, int]]
    edges: list[tuple[Pair, DiscoverySource, tuple[DiscoverySource, ...], bool]]
    omitted_nodes: int
    omitted_edges: int
    upstream: int
    downstream: int


def walk(rows: Iterable[Row], external: set[str], asked: Asked) -> Found:
    by_pair: dict[Pair, list[Row]] = {}
    for row in rows:
        if asked.include_stale or not row.is_stale:
            by_pair.setdefault(row.pair, []).append(row)
    walkable = {pair for pair, known in by_pair.items() if _walkable(known, asked)}
    unwanted = set[str]() if asked.include_external else external - {asked.start}
    down = up = {asked.start: 0}
    if asked.direction != "upstream":
        down = _distances(asked, [(s, t) for s, t in walkable if t not in unwanted])
    if asked.direction != "downstream":
        up = _distances(asked, [(t, s) for s, t in walkable if s not in unwanted])
    walked = {(s, t) for s, t in walkable if t not in unwanted and _near(down, s, asked, "upstream")}
    walked |= {(s, t) for s, t in walkable if s not in unwanted and _near(up, t, asked, "downstream")}
    distance = {
        name: min(down.get(name, 99), up.get(name, 99)) for name in {**down, **up} if name != asked.start
    }
    nodes = sorted(distance.items(), key=lambda item: (item[1], item[0]))
    kept = nodes[: asked.limit]
    names = {name for name, _ in kept} | {asked.start}
    edges = [_merged(pair, by_pair[pair]) for pair in sorted(walked) if names.issuperset(pair)]
    shown = names - {asked.start}
    return Found(
        kept,
        edges,
        len(nodes) - len(kept),
        len(walked) - len(edges),
        len(shown & {*up}),
        len(shown & {*down}),
    )


def _near(distances: Mapping[str, int], name: str, asked: Asked, other_way: str) -> bool:
    return asked.direction != other_way and distances.get(name, 99) < asked.depth


def _foremost(known: list[Row]) -> Row:
    return min(known, key=lambda row: (row.is_stale, PRIORITY[row.source]))


def _walkable(known: list[Row], asked: Asked) -> bool:
    sure = max(row.confidence for row in known) >= asked.min_confidence
    return sure and asked.criticality in (None, _foremost(known).criticality)


def _distances(asked: Asked, pairs: list[Pair]) -> dict[str, int]:
    distances = {asked.start: 0}
    for step in range(1, asked.depth + 1):
        reached = {far for near, far in pairs if distances.get(near) == step - 1}
        distances.update({name: step for name in reached if name not in distances})
    return distances


def _merged(pair: Pair, known: list[Row]) -> tuple[Pair, DiscoverySource, tuple[DiscoverySource, ...], bool]:
    sources = tuple(sorted((row.source for row in known), key=PRIORITY.__getitem__))
    return pair, _foremost(known).source, sources, all(row.is_stale for row in known)
