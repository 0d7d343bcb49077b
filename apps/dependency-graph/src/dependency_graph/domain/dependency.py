"""Dependencies: the edges of the graph, one for each pair of services and source that reports it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

Pair = tuple[str, str]
"""The ids of the service that depends and of the one it depends on."""


class CommunicationMode(StrEnum):
    SYNC = "sync"
    ASYNC = "async"


class DependencyCriticality(StrEnum):
    """What the failure of the target does to the source: hard, it fails too; else it does less."""

    HARD = "hard"
    SOFT = "soft"
    DEGRADED = "degraded"


class DiscoverySource(StrEnum):
    """Who reports a dependency, in order of priority: the first one's attributes stand."""

    MANUAL = "manual"
    SERVICE_MESH = "service_mesh"
    OTEL_SERVICE_GRAPH = "otel_service_graph"
    KUBERNETES = "kubernetes"
    TOOLHIVE = "toolhive"


PRIORITY = {source: rank for rank, source in enumerate(DiscoverySource)}

BASE_CONFIDENCE = {
    DiscoverySource.MANUAL: 1.0,
    DiscoverySource.SERVICE_MESH: 0.95,
    DiscoverySource.OTEL_SERVICE_GRAPH: 0.85,
    DiscoverySource.KUBERNETES: 0.75,
    DiscoverySource.TOOLHIVE: 0.9,
}


def confidence(source: DiscoverySource, observations: int) -> float:
    """How sure we are of a dependency, 0 to 1: the source's base, and up to 0.1 for repeated sight."""
    return min(1.0, BASE_CONFIDENCE[source] + min(0.1, 0.02 * math.log(observations + 1)))


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a source says of a dependency; sources may contradict one another."""

    communication_mode: CommunicationMode = CommunicationMode.SYNC
    criticality: DependencyCriticality = DependencyCriticality.HARD
    protocol: str | None = None
    timeout_ms: int | None = None
    retry_config: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was measured on a dependency; None is a value that could not be told.

    `request_rate` is per second, `error_rate` the failed part of the requests, 0 to 1.
    """

    request_rate: float | None = None
    error_rate: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """What one source knows of one pair."""

    pair: Pair
    discovery_source: DiscoverySource
    attributes: Attributes
    observations: int
    first_observed_at: datetime
    last_observed_at: datetime
    is_stale: bool = False
    traffic: Traffic | None = None

    @classmethod
    def first_seen(
        cls,
        pair: Pair,
        source: DiscoverySource,
        attributes: Attributes,
        at: datetime,
        traffic: Traffic | None = None,
    ) -> Self:
        return cls(pair, source, attributes, 1, at, at, traffic=traffic)

    @property
    def confidence_score(self) -> float:
        return confidence(self.discovery_source, self.observations)

    def seen_again(self, attributes: Attributes, at: datetime, traffic: Traffic | None = None) -> Self:
        """After another observation at `at`: only a later one counts, and revives a stale dependency.

        The attributes are the last ones told, whatever their time. Without `traffic` what is known of it stays.
        """
        told = replace(self, attributes=attributes, traffic=traffic or self.traffic)
        if at <= self.last_observed_at:
            return replace(told, first_observed_at=min(at, self.first_observed_at))
        return replace(
            told,
            observations=self.observations + 1,
            last_observed_at=at,
            is_stale=False,
        )


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sources that describe one pair differently; `kept` is the source whose word stands.

    That may be a third one, which is stronger than both.
    """

    pair: Pair
    existing_source: DiscoverySource
    new_source: DiscoverySource
    kept: DiscoverySource


def conflict(new: Dependency, known: Sequence[Dependency]) -> Conflict | None:
    """The conflict of `new` with the strongest of the other sources that differ, if any does."""
    fresh = {
        row.discovery_source: row.attributes
        for row in known
        if not row.is_stale and row.discovery_source != new.discovery_source
    }
    differing = [source for source, attributes in fresh.items() if attributes != new.attributes]
    if not differing:
        return None
    return Conflict(
        new.pair, _strongest(differing), new.discovery_source, _strongest([*fresh, new.discovery_source])
    )


def _strongest(sources: Iterable[DiscoverySource]) -> DiscoverySource:
    return min(sources, key=PRIORITY.__getitem__)
