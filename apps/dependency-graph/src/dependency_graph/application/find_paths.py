"""All shortest paths between two services, by a search from both ends that meets in the middle."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dependency_graph.application.ports import Topology
from dependency_graph.domain.dependency import Pair
from dependency_graph.domain.errors import ServiceNotFound

MOST_PATHS = 10
"""The number of shortest paths grows exponentially in layered graphs."""

MOST_STEPS = 1000
"""Of a path; a longer one is not looked for, as every step is a round trip."""


@dataclass(frozen=True, slots=True)
class ShortestPaths:
    """The shortest dependency paths in order; none, and no length, where there is no path."""

    source: str
    target: str
    length: int | None
    paths: Sequence[tuple[str, ...]]


async def find_paths(source: str, target: str, topology: Topology) -> ShortestPaths:
    """The shortest paths along which `source` depends on `target`: the first MOST_PATHS in order of their ids.

    A service has one path to itself, of length 0. A path of more than MOST_STEPS steps is not found. Raises
    ServiceNotFound for either end.
    """
    async with topology.snapshot() as graph:
        known = await graph.known({source, target})
        for end in (source, target):
            if end not in known:
                raise ServiceNotFound(end)
        ahead, back = _Side({source}), _Side({target})
        while ahead.frontier.isdisjoint(back.frontier):
            if ahead.steps + back.steps == MOST_STEPS or not ahead.frontier or not back.frontier:
                return ShortestPaths(source, target, None, ())
            if len(ahead.frontier) <= len(back.frontier):
                pairs = await graph.downstream(ahead.frontier)
                await asyncio.to_thread(ahead.advance, pairs)
            else:
                pairs = await graph.upstream(back.frontier)
                await asyncio.to_thread(back.advance, ((near, far) for far, near in pairs))
    paths = await asyncio.to_thread(_first_paths, source, target, ahead, back)
    return ShortestPaths(source, target, ahead.steps + back.steps, paths)


def _first_paths(source: str, target: str, ahead: "_Side", back: "_Side") -> tuple[tuple[str, ...], ...]:
    return tuple(islice(_paths(source, target, _successors(ahead, back)), MOST_PATHS))


@dataclass(slots=True)
class _Side:
    """What is reached from one end: `frontier` in `steps`, the rest before; `nearer` are the steps back."""

    frontier: set[str]
    steps: int = 0
    nearer: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def __post_init__(self) -> None:
        self.nearer.update({end: [] for end in self.frontier})

    def advance(self, steps: Iterable[Pair]) -> None:
        """Go on by all `steps` from the frontier, each from its near to its far service."""
        reached: dict[str, list[str]] = {}
        for near, far in steps:
            if far not in self.nearer:
                reached.setdefault(far, []).append(near)
        self.nearer |= reached
        self.frontier = set(reached)
        self.steps += 1

    def steps_back(self, services: Collection[str]) -> Iterator[Pair]:
        """All steps on shortest ways from `services` to this end, each from its far to its near service."""
        seen, pending = set(services), list(services)
        while pending:
            far = pending.pop()
            for near in self.nearer[far]:
                yield far, near
                if near not in seen:
                    seen.add(near)
                    pending.append(near)


def _successors(ahead: _Side, back: _Side) -> Mapping[str, Sequence[str]]:
    """Where to go on from each service on a shortest path; every way leads to the target."""
    meeting = ahead.frontier & back.frontier
    successors: dict[str, list[str]] = {}
    for far, near in ahead.steps_back(meeting):
        successors.setdefault(near, []).append(far)
    for far, near in back.steps_back(meeting):
        successors.setdefault(far, []).append(near)
    return successors


def _paths(source: str, target: str, successors: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    path, pending = list[str](), [(0, source)]
    while pending:
        step, service_id = pending.pop()
        path[step:] = [service_id]
        if service_id == target:
            yield tuple(path)
        following = sorted(successors.get(service_id, ()), reverse=True)
        pending += [(step + 1, successor) for successor in following]
