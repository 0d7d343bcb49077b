from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping, Select, func, select

from ci_server.domain.job import Status
from ci_server.storage.job_store_rows import latest_attempt
from ci_server.storage.tables import attempts, jobs

select_users: Select[*tuple[Any, ...]] = (
    select(
        jobs.c.user_name,
        attempts.c.status,
        func.count().label("jobs"),
        func.max(jobs.c.submitted_time).label("latest"),
    )
    .join(attempts, latest_attempt)
    .group_by(jobs.c.user_name, attempts.c.status)
    .order_by(jobs.c.user_name, attempts.c.status)
)
"""Rows for `users_of`."""


@dataclass(frozen=True, slots=True)
class UserJobs:
    """What a user has submitted, as far as it is kept."""

    name: str
    jobs: Mapping[Status, int]
    """How many, by their status now; without those of which there are none."""
    latest: datetime
    """When they submitted last."""


def users_of(rows: Sequence[RowMapping]) -> Sequence[UserJobs]:
    return [_user(name, list(found)) for name, found in groupby(rows, lambda row: row["user_name"])]


def _user(name: str, rows: Sequence[RowMapping]) -> UserJobs:
    counts = {Status(row["status"]): row["jobs"] for row in rows}
    return UserJobs(name, counts, max(row["latest"] for row in rows))
