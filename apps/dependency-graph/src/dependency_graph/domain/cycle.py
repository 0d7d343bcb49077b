"""Circular dependencies and the alerts that tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Self
from uuid import UUID, uuid4

from dependency_graph.domain.dependency import Pair

Cycle = tuple[str, ...]
"""The ids of a circular path in order, from its smallest id back to that id."""

GONE = "The cycle is gone."


def canonical(path: Sequence[str]) -> Cycle:
    """The one way to write the cycle that visits `path`, whose last member leads to its first."""
    start = path.index(min(path))
    return (*path[start:], *path[: start + 1])


def pairs_of(cycle: Cycle) -> list[Pair]:
    return list(pairwise(cycle))


class AlertStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """What is known of one cycle; there is one alert for a cycle, for ever."""

    alert_id: UUID
    cycle: Cycle
    status: AlertStatus
    detected_at: datetime
    acknowledged_by: str | None = None
    resolution_notes: str | None = None
    resolved_at: datetime | None = None

    @classmethod
    def of(cls, cycle: Cycle, at: datetime) -> Self:
        return cls(uuid4(), cycle, AlertStatus.OPEN, at)

    def seen(self, at: datetime) -> Self:
        """The cycle is there: a resolved alert reopens, an acknowledged one stays so."""
        if self.status is not AlertStatus.RESOLVED:
            return self
        return replace(
            self,
            status=AlertStatus.OPEN,
            detected_at=at,
            acknowledged_by=None,
            resolution_notes=None,
            resolved_at=None,
        )

    def gone(self, at: datetime) -> Self:
        """The cycle is not there any more: the alert resolves itself, and keeps what a person wrote."""
        if self.status is AlertStatus.RESOLVED:
            return self
        notes = self.resolution_notes or GONE
        return replace(self, status=AlertStatus.RESOLVED, resolution_notes=notes, resolved_at=at)

    def reviewed(self, status: AlertStatus, by: str | None, notes: str | None, at: datetime) -> Self:
        """After a person's decision; who acknowledged it is kept when it is resolved later."""
        return replace(
            self,
            status=status,
            acknowledged_by=None if status is AlertStatus.OPEN else by or self.acknowledged_by,
            resolution_notes=notes if notes is not None else self.resolution_notes,
            resolved_at=at if status is AlertStatus.RESOLVED else None,
        )
