"""What the graph must be after writes, by the plainest means, and what may be written and asked."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations

from hypothesis import strategies as st
from walk import Asked, Found, Row, walk

from dependency_graph.domain.dependency import DiscoverySource, Pair

BASE = {"manual": 1.0, "service_mesh": 0.95, "otel_service_graph": 0.85, "kubernetes": 0.75, "toolhive": 0.9}


@dataclass(frozen=True)
class Described:
    """What is known of a service; `told` says whether team and criticality stand in its metadata."""

    team: str | None = None
    criticality: str = "medium"
    told: bool = True
    discovered: bool = False

    @property
    def metadata(self) -> dict[str, str | None]:
        return {"team": self.team, "criticality": self.criticality} if self.told else {}


UNTOLD = Described(told=False)


@dataclass(frozen=True)
class Seen:
    """What one source told of one pair; times are numbers."""

    criticality: str
    first: int
    last: int
    observations: int = 1

    def again(self, criticality: str, at: int) -> "Seen":
        told = replace(self, criticality=criticality, first=min(at, self.first))
        return replace(told, last=at, observations=self.observations + 1) if at > self.last else told


@dataclass
class GraphModel:
    services: dict[str, Described] = field(default_factory=dict[str, Described])
    rows: dict[tuple[Pair, DiscoverySource], Seen] = field(
        default_factory=dict[tuple[Pair, DiscoverySource], Seen]
    )

    def ingest(
        self,
        source: DiscoverySource,
        at: int,
        nodes: Mapping[str, Described | None],
        edges: Mapping[Pair, str],
    ) -> None:
        for name, told in nodes.items():
            self.services[name] = told or replace(self.services.get(name, UNTOLD), discovered=False)
        for pair, criticality in edges.items():
            if pair[0] != pair[1]:
                for name in pair:
                    self.services.setdefault(name, replace(UNTOLD, discovered=True))
                known = self.rows.get((pair, source))
                seen = known.again(criticality, at) if known else Seen(criticality, at, at)
                self.rows[pair, source] = seen

    def delete(self, name: str) -> int:
        """How many dependencies went along."""
        del self.services[name]
        doomed = [row for row in self.rows if name in row[0]]
        for row in doomed:
            del self.rows[row]
        return len(doomed)

    def walk(self, asked: Asked) -> Found:
        rows = [
            Row(pair, source, seen.criticality, _confidence(source, seen.observations), is_stale=False)
            for (pair, source), seen in self.rows.items()
        ]
        return walk(rows, set(), asked)

    def holds(self, cycle: Iterable[str]) -> bool:
        """Whether all steps of a closed path are there."""
        return {pair for pair, _ in self.rows}.issuperset(pairwise(cycle))

    def knots(self) -> set[frozenset[str]]:
        """The services that reach one another, where they are more than one."""
        reach = {name: self._reached_from(name) for name in self.services}
        mutual = {frozenset({name} | {n for n in reach[name] if name in reach[n]}) for name in reach}
        return {knot for knot in mutual if len(knot) > 1}

    def _reached_from(self, start: str) -> set[str]:
        asked = Asked(start, "downstream", 99, False, True, 0, None, 99)
        return {name for name, _ in self.walk(asked).nodes}


def _confidence(source: str, observations: int) -> float:
    return min(1.0, BASE[source] + min(0.1, 0.02 * math.log(observations + 1)))


NAMES = ("a", "b/impact", "ä ü+", "d:?#%", "dependencies")
SOURCES = (DiscoverySource.MANUAL, DiscoverySource.KUBERNETES, DiscoverySource.TOOLHIVE)

names = st.sampled_from(NAMES)
described = st.builds(
    Described, st.sampled_from([None, "red", "blue"]), st.sampled_from(["critical", "medium", "low"])
)
pairs = st.sampled_from([*permutations(NAMES, 2), ("a", "a")])
edges = st.dictionaries(pairs, st.sampled_from(["hard", "soft"]), max_size=5)
asked = st.builds(
    Asked,
    names,
    st.sampled_from(["both", "upstream", "downstream"]),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0.8, 0.95]),
    st.sampled_from([None, "hard", "soft"]),
    st.sampled_from([1, 2, 1000]),
)
