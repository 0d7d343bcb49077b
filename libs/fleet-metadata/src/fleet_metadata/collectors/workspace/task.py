from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class TaskStatus(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Task:
    """What is being worked at in the workspace; `source` is who says so."""

    status: TaskStatus
    description: str | None = None
    source: str | None = None


NO_TASK = Task(TaskStatus.IDLE)


@dataclass(frozen=True, slots=True)
class Told:
    """What a source knows of the task, None where it knows nothing; `warning` says what is wrong with the source."""

    task: Task | None = None
    warning: str | None = None


class TaskSource(Protocol):
    async def read(self) -> Told:
        """What is known now; takes a second at the most, and raises nothing."""
        ...
