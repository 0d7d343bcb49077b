from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, false, literal, or_, tuple_

from api_access import UtcDateTime
from ci_server.domain.job import Status
from ci_server.storage.tables import attempts, jobs


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted: those for which all that is given holds, of their latest attempts."""

    user: str | None = None
    status: Status | None = None
    success: bool | None = None
    text: str | None = None
    """Part of the command, the branch or the commit in any case, or the beginning of the id."""
    branch: str | None = None


def filtered(query: Select[*tuple[Any, ...]], wanted: JobFilter) -> Select[*tuple[Any, ...]]:
    """`query`, which is of `jobs` and `attempts`, without what is not wanted."""
    texts = (wanted.user, wanted.text, wanted.branch)
    if not all(can_be_stored(text) for text in texts if text):
        return query.where(false())
    exact = {
        jobs.c.user_name: wanted.user,
        jobs.c.branch: wanted.branch,
        attempts.c.status: wanted.status,
        attempts.c.success: wanted.success,
    }
    query = query.where(*(column == value for column, value in exact.items() if value is not None))
    return query.where(_found_by(wanted.text)) if wanted.text else query


def older_than(submitted_time: datetime, job_id: str) -> ColumnElement[bool]:
    """Whether a job comes after that one in a list of the newest first."""
    place = tuple_(literal(submitted_time, UtcDateTime), literal(job_id))
    return tuple_(jobs.c.submitted_time, jobs.c.job_id) < place


def _found_by(text: str) -> ColumnElement[bool]:
    parts = [
        column.icontains(text, autoescape=True) for column in (jobs.c.command, jobs.c.branch, jobs.c.commit)
    ]
    return or_(jobs.c.job_id.startswith(text.lower(), autoescape=True), *parts)


def can_be_stored(text: str) -> bool:
    """Whether a database can hold it: PostgreSQL takes no NUL, and none takes half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text
