"""Runs of the sources that are asked on a schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any, Self
from uuid import UUID

FIRST_BACKOFF = timedelta(seconds=30)
_MOST_DOUBLINGS = 20

INTERRUPTED = "Interrupted: the process that ran it ended before the run did; the next run starts anew."


class RunStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One run of a source: what it changed by name, or what failed and what to do.

    `finished_at` is None while it runs, and for a run whose end nobody saw.
    """

    run_id: UUID
    source: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str | None = None

    def succeeded(self, changes: Mapping[str, Any]) -> Self:
        return replace(self, status=RunStatus.SUCCEEDED, changes=changes)

    def failed(self, error: str) -> Self:
        return replace(self, status=RunStatus.FAILED, error=error)

    @property
    def duration_seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


def next_run(
    history: Sequence[SyncRun], interval: timedelta, longest_backoff: timedelta | None = None
) -> datetime | None:
    """When a source is to run after `history`, its last runs, the newest first; None if it never ran.

    An interval after the start of a run that succeeded. After the first failure 30 s, after each further
    one twice as long, up to the interval, or `longest_backoff` if that is shorter. A run that is under way
    counts as one that succeeds.
    """
    if not history:
        return None
    last = history[0]
    failures = sum(1 for _ in takewhile(lambda run: run.status is RunStatus.FAILED, history))
    if failures == 0:
        return last.started_at + interval
    backoff = FIRST_BACKOFF * 2 ** min(failures - 1, _MOST_DOUBLINGS)
    return (last.finished_at or last.started_at) + min(backoff, interval, longest_backoff or interval)
