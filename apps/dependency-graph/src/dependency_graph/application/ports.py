"""What the use cases need from the world; `infrastructure` has the real ones, `tests/fakes.py` the others.

All ports of one write belong to one transaction: nothing is visible to others before its end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from dependency_graph.domain.cycle import Alert
from dependency_graph.domain.dependency import Dependency, Pair
from dependency_graph.domain.service import Service


class Services(Protocol):
    async def find(self, service_ids: Collection[str]) -> Mapping[str, Service]:
        """Those of `service_ids` that are known, by id."""
        ...

    async def save(self, services: Collection[Service]) -> int:
        """Insert or replace; the number of services that are new or differ now."""
        ...

    async def delete(self, service_id: str) -> int | None:
        """Remove a service and its dependencies; their number, or None if there is no such service."""
        ...


class Dependencies(Protocol):
    async def find(self, pairs: Collection[Pair]) -> Mapping[Pair, Sequence[Dependency]]:
        """What every source knows of `pairs`."""
        ...

    async def save(self, dependencies: Collection[Dependency]) -> int:
        """Insert or replace; the number of dependencies that are new or differ now."""
        ...

    async def reachable_from(self, service_ids: Collection[str]) -> Iterable[Pair]:
        """All pairs on paths that start at `service_ids`, stale ones left out."""
        ...


class Alerts(Protocol):
    async def get(self, alert_id: UUID) -> Alert | None: ...

    async def through(self, service_ids: Collection[str]) -> Sequence[Alert]:
        """The alerts whose cycle visits one of `service_ids`, whatever their status."""
        ...

    async def save(self, alerts: Collection[Alert]) -> None: ...


class Generation(Protocol):
    async def lock(self) -> int:
        """Wait until no other write is under way; the number of the graph as it stands."""
        ...

    async def advance(self) -> int:
        """The number of the graph that this transaction makes."""
        ...


class Graph(Protocol):
    """The graph inside one transaction."""

    @property
    def services(self) -> Services: ...
    @property
    def dependencies(self) -> Dependencies: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def generation(self) -> Generation: ...
