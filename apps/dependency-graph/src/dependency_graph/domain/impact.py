"""How far the failure of a service spreads: pure computation on dependencies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

Link = tuple[str, str, bool]
"""The ids of the service that depends and of the one it depends on, and whether it fails with that one."""


class Impact(StrEnum):
    """What a failure does to a service upstream: where some path is hard all the way, it fails too."""

    FAILS = "fails"
    DEGRADES = "degrades"


@dataclass(frozen=True, slots=True)
class Spread:
    """The failure of `start` and what it reaches, each along a shortest path of its kind.

    Of several such paths it is the one whose ids come first in order, read from the service that is reached.
    """

    start: str
    _hard: "_Walk"
    _any: "_Walk"

    @classmethod
    def of(cls, start: str, links: Iterable[Link], depth: int) -> Self:
        """What reaches `start` by at most `depth` of `links`, of which each pair is there once."""
        dependants: dict[str, list[str]] = {}
        hard_dependants: dict[str, list[str]] = {}
        for source, target, hard in links:
            dependants.setdefault(target, []).append(source)
            if hard:
                hard_dependants.setdefault(target, []).append(source)
        return cls(
            start, _Walk.upstream(start, hard_dependants, depth), _Walk.upstream(start, dependants, depth)
        )

    @property
    def impacted(self) -> set[str]:
        return self._any.distances.keys() - {self.start}

    def impact(self, service_id: str) -> Impact:
        return Impact.FAILS if service_id in self._hard.distances else Impact.DEGRADES

    def distance(self, service_id: str) -> int:
        """The length of `path`."""
        return self._told(service_id).distances[service_id]

    def path(self, service_id: str) -> tuple[str, ...]:
        """From the service that is reached to the one that fails; hard all the way if it fails too."""
        steps = self._told(service_id).next_step
        path = [service_id]
        while path[-1] != self.start:
            path.append(steps[path[-1]])
        return tuple(path)

    def _told(self, service_id: str) -> "_Walk":
        return self._hard if service_id in self._hard.distances else self._any


@dataclass(frozen=True, slots=True)
class _Walk:
    distances: Mapping[str, int]
    next_step: Mapping[str, str]

    @classmethod
    def upstream(cls, start: str, dependants: Mapping[str, Iterable[str]], depth: int) -> Self:
        distances, next_step, frontier = {start: 0}, dict[str, str](), [start]
        for distance in range(1, depth + 1):
            reached: list[str] = []
            # In order, so that the first to reach a service is the smallest next step.
            for near in sorted(frontier):
                for far in dependants.get(near, ()):
                    if far not in distances:
                        distances[far] = distance
                        next_step[far] = near
                        reached.append(far)
            frontier = reached
        return cls(distances, next_step)
