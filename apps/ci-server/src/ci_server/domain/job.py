from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

SECONDS, MEMORY_BYTES, CPUS = 1800, 1024**3, 1.0
"""What a job gets unless its submitter asks for something else."""


class Status(StrEnum):
    """Where a job is. The only ways from one to another are those in `ci_server.domain.course`."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    """It ran to its end, with tests that passed or failed."""
    FAILED = "failed"
    """It did not run to its end, for a reason."""
    CANCELLED = "cancelled"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a submitter wants to have run. Its secrets are no part of it: they are in the job's files alone."""

    command: str | None = None
    """A shell line; None for pytest."""
    image: str | None = None
    """Of a container; None for the server's default."""
    timeout: int = SECONDS
    """In seconds, from the start of the attempt."""
    memory: int = MEMORY_BYTES
    """In bytes."""
    cpus: float = CPUS
    priority: int = 0
    """Among the jobs of the same user; the highest first."""
    network: bool = False
    """Whether the tests may use a network, as the installation before them always may."""
    webhook: str | None = None
    artifacts: tuple[str, ...] = ()
    """Globs, relative to the project."""
    branch: str | None = None
    commit: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Results:
    """What the JUnit XML of an attempt says: tests by their outcome, and seconds."""

    passed: int
    failed: int
    skipped: int
    errors: int
    duration: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job, all times with their zone. The first is number 1."""

    number: int
    status: Status
    success: bool | None = None
    """Whether its tests passed; None until it has ended."""
    queued_time: datetime | None = None
    start_time: datetime | None = None
    """When a controller took it, before the installation."""
    end_time: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    """Why it failed, or was cancelled and by whom."""
    results: Results | None = None
    host: str | None = None
    """The machine whose controller took it."""
    runner: str | None = None
    cancel_wanted: str | None = None
    """Who wants a running attempt cancelled and why, ready to become its reason."""
    log_base: int | None = None
    """How many bytes of the log the preparation wrote; None until it is done. Then comes what the tests print."""
    started: bool = False
    """Whether the runner has been told to start, and has said that it did."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job with its latest attempt."""

    job_id: str
    """A UUID, 32 hexadecimal digits."""
    user: str
    """The name of the API key that submitted it: a rotated key still is the same user."""
    spec: JobSpec
    attempt: Attempt
    submitted_time: datetime | None = None
    """When its first attempt was queued, to the microsecond: with the id it is the order of lists."""
