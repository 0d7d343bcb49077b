"""The course of a job: every way from one status to another, and nothing else changes a status.

    submit            -> queued
    queued  --claim-> running     by one controller, in one transaction (start_time, host, runner)
    queued  --cancel> cancelled   at once
    running --prepared-> running  the installation is done; its bytes of the log are final (log_base)
    running --started--> running  the runner has it (started)
    running --cancel--> running   cancel_wanted; the controller stops it, then it ends as cancelled
    running --end-----> completed | failed | cancelled
    completed | failed | cancelled --retry-> queued   the next attempt, the same zip

Where a controller died, another one (or itself, started anew) takes over what it finds running: what was not
prepared is prepared again; what was prepared and never started is started; what runs, or has ended meanwhile,
is followed to its end; what was started and cannot be found is lost, and never run again by itself. What another
machine or another kind of runner had is left to a controller of that, and lost when its time has long been over.
"""

from dataclasses import dataclass
from typing import Literal

from ci_server.domain.job import Attempt, JobSpec, Results, Status


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: with an exit code, or stopped for a reason, or both."""

    code: int | None
    stopped: Literal["timeout", "cancelled", "memory", "output", "lost"] | None = None
    """`memory`: it used more than it may; `output`: it printed more than it may; `lost`: nobody knows."""
    why: str | None = None
    """Of one that was lost: what its submitter is told in place of the usual words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job has come to; the status is one of those that are an end."""

    status: Status
    success: bool
    exit_code: int | None = None
    reason: str | None = None
    results: Results | None = None


def outcome_of(exit_: Exit, spec: JobSpec, attempt: Attempt, results: Results | None) -> Outcome:
    """What becomes of an attempt whose run has ended like that.

    Tests that fail are a job that completed without success. A cancellation that came too late, after the
    run had ended by itself, changes nothing.
    """
    if exit_.stopped == "cancelled":
        return Outcome(Status.CANCELLED, False, exit_.code, attempt.cancel_wanted, results)
    if exit_.stopped:
        return Outcome(Status.FAILED, False, exit_.code, exit_.why or _why(exit_.stopped, spec), results)
    if exit_.code is None:
        return Outcome(Status.FAILED, False, None, _why("lost", spec), results)
    return Outcome(Status.COMPLETED, exit_.code == 0, exit_.code, None, results)


def could_not_start(why: str) -> Outcome:
    """What becomes of a job that cannot be prepared or started."""
    return Outcome(Status.FAILED, False, reason=why)


def _why(stopped: str, spec: JobSpec) -> str:
    return {
        "timeout": f"It took more than its {spec.timeout} s (form field `timeout`).",
        "memory": f"It used more memory than its {spec.memory:,} bytes (form field `memory`).",
        "output": "It printed more than a log may hold (CI_MAX_LOG_MB of the server).",
        "lost": "It was running when its machine or its container engine stopped, and is not there any more. "
        "Retry it: it is not run again by itself.",
    }[stopped]
