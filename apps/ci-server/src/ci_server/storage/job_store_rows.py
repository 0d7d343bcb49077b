"""Between rows and the domain."""

from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import RowMapping, Select, and_, select

from ci_server.domain.course import Outcome
from ci_server.domain.job import Attempt, Job, JobSpec, Results, Status
from ci_server.storage.tables import attempts, jobs

_SPEC = [field.name for field in fields(JobSpec)]
_RESULTS = [field.name for field in fields(Results)]
_PLAIN = [field.name for field in fields(Attempt) if field.name not in {"status", "results"}]

latest_attempt = and_(attempts.c.job_id == jobs.c.job_id, attempts.c.number == jobs.c.latest)
select_jobs: Select[*tuple[Any, ...]] = select(jobs, attempts).join(attempts, latest_attempt)
"""Rows for `job_of`: every job with its latest attempt."""


def job_of(row: RowMapping) -> Job:
    """The job in a row of all columns of `jobs` and of `attempts`."""
    return Job(
        row[jobs.c.job_id], row[jobs.c.user_name], _spec_of(row), attempt_of(row), row[jobs.c.submitted_time]
    )


def attempt_of(row: RowMapping) -> Attempt:
    """The attempt in a row of all columns of `attempts`."""
    plain = {name: row[attempts.c[name]] for name in _PLAIN}
    return Attempt(status=Status(row[attempts.c.status]), results=_results_of(row), **plain)


def spec_columns(spec: JobSpec) -> dict[str, Any]:
    return asdict(spec) | {"artifacts": list(spec.artifacts), "env": dict(spec.env)}


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    results = asdict(outcome.results) if outcome.results else {}
    return {
        "status": outcome.status,
        "success": outcome.success,
        "exit_code": outcome.exit_code,
        "reason": outcome.reason,
        **results,
    }


def _spec_of(row: RowMapping) -> JobSpec:
    values: dict[str, Any] = {name: row[jobs.c[name]] for name in _SPEC}
    values["artifacts"] = tuple(values["artifacts"])
    return JobSpec(**values)


def _results_of(row: RowMapping) -> Results | None:
    if row[attempts.c.passed] is None:
        return None
    return Results(**{name: row[attempts.c[name]] for name in _RESULTS})
