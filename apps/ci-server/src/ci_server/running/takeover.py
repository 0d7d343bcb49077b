"""Which attempts a controller takes over from one that is not there any more.

Of every one that it finds running, and whose lock is free, it takes what it can find in its own engine. What is
on another machine waits for a controller of that machine, until the attempt's time has long been over.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from ci_server.domain.job import Job
from ci_server.running.run_of import run_of
from ci_server.running.runner import CannotRun, Runner
from ci_server.running.terms import Terms
from ci_server.storage.job_files import JobFiles

Takeover = Literal["take", "wait", "lost"]


async def takeover_of(job: Job, files: JobFiles, runner: Runner, terms: Terms) -> Takeover:
    """What becomes of a running attempt that nobody follows. Raises RunnerAway."""
    if await _is_within_reach(job, files, runner, terms.host):
        return "take"
    return "lost" if is_overdue(job, terms) else "wait"


def ends_at(job: Job) -> datetime:
    """When the time of a running attempt is over."""
    return (job.attempt.start_time or datetime.now(UTC)) + timedelta(seconds=job.spec.timeout)


def is_overdue(job: Job, terms: Terms) -> bool:
    """Whether its time has been over for so long that nobody is waited for any more."""
    return datetime.now(UTC) > ends_at(job) + timedelta(seconds=terms.overdue_seconds)


async def _is_within_reach(job: Job, files: JobFiles, runner: Runner, host: str) -> bool:
    """Whether it is in this runner's engine: Kubernetes is one everywhere, processes are of one machine.

    Containers are of the engine that knows them, whatever the machine is called now.
    """
    if job.attempt.runner != runner.name:
        return False
    if job.attempt.host == host or runner.name == "kubernetes":
        return True
    try:
        return runner.name == "container" and await runner.is_there(run_of(job, files))
    except CannotRun:
        return False
