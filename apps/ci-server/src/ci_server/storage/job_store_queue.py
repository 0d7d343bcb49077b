"""The order in which queued jobs are claimed: in turns among users, by priority within each."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, literal_column, select

from ci_server.domain.job import Status
from ci_server.storage.tables import attempts, jobs


def has_status(status: Status) -> ColumnElement[bool]:
    """Whether an attempt is queued or running, so that the index of those is used."""
    # Literals, as parameters keep SQLite from the partial index.
    active = attempts.c.status.in_([literal_column("'queued'"), literal_column("'running'")])
    return active & (attempts.c.status == literal_column(f"'{status}'"))


def queue() -> Subquery:
    """All that is queued: `job_id`, `number`, `queued_time`, and `slot`.

    The slot is how many jobs of its user would run if this one and those of theirs before it did. Who has
    the lowest slot is next; of equal ones the longest queued.
    """
    running = (
        select(jobs.c.user_name, func.count().label("jobs"))
        .join(attempts, attempts.c.job_id == jobs.c.job_id)
        .where(has_status(Status.RUNNING))
        .group_by(jobs.c.user_name)
        .subquery("running")
    )
    place_of_user = func.row_number().over(
        partition_by=jobs.c.user_name,
        order_by=[jobs.c.priority.desc(), attempts.c.queued_time, attempts.c.job_id],
    )
    slot = func.coalesce(running.c.jobs, 0) + place_of_user
    return (
        select(attempts.c.job_id, attempts.c.number, attempts.c.queued_time, slot.label("slot"))
        .join(jobs, jobs.c.job_id == attempts.c.job_id)
        .outerjoin(running, running.c.user_name == jobs.c.user_name)
        .where(has_status(Status.QUEUED))
        .subquery("queue")
    )


def queue_order(waiting: Subquery) -> tuple[ColumnElement[Any], ...]:
    return waiting.c.slot, waiting.c.queued_time, waiting.c.job_id


def select_next(per_user: int | None) -> Select[*tuple[Any, ...]]:
    """`job_id` and `number` of the attempt to claim, locked; what others have locked is left to them."""
    waiting = queue()
    found = (
        select(attempts.c.job_id, attempts.c.number)
        .join(waiting, (waiting.c.job_id == attempts.c.job_id) & (waiting.c.number == attempts.c.number))
        .where(has_status(Status.QUEUED))
        .order_by(*queue_order(waiting))
        .limit(1)
        .with_for_update(of=attempts, skip_locked=True)
    )
    return found if per_user is None else found.where(waiting.c.slot <= per_user)


def select_positions() -> Select[*tuple[Any, ...]]:
    """`job_id` and `position`, from 1, of all that is queued."""
    waiting = queue()
    position = func.row_number().over(order_by=queue_order(waiting))
    return select(waiting.c.job_id, position.label("position")).order_by(*queue_order(waiting))
