"""Webhooks that are yet to be delivered: written with the end of a job, taken away when they have arrived."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ci_server.domain.job import Job, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store_rows import job_of
from ci_server.storage.tables import attempts, jobs, webhook_deliveries

CLAIMED_FOR = timedelta(minutes=1)
"""How long a delivery is one deliverer's, well more than a try takes; then that one is taken to be dead."""

COMPLETED = "completed"
"""A job has ended, however."""
RECOVERED = "recovered"
"""It succeeded, and the last run of the same user, branch and command had not."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that one deliverer is to try now."""

    delivery_id: str
    event: str
    job: Job
    """With the attempt that the event is about, which has ended, and not a later one."""
    tries: int
    """Which one this is, from 1."""


class Outbox:
    """The webhooks that are yet to be delivered. All methods raise StorageUnavailable."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock

    async def due_in(self) -> float | None:
        """Seconds until there is one to claim, not more than 0 if there is; None where there is none at all."""
        query = select(func.min(webhook_deliveries.c.due_time))
        async with self._database.read() as connection:
            due = await connection.scalar(query)
        return None if due is None else (due - self._clock()).total_seconds()

    async def claim(self, most: int) -> Sequence[Delivery]:
        """At most so many that are due, the longest first; nobody else gets them for a minute."""
        now = self._clock()
        async with self._database.write() as connection:
            due = _due(now, most).with_for_update(skip_locked=True)
            ids = (await connection.scalars(due)).all()
            mine = webhook_deliveries.c.delivery_id.in_(ids)
            tries = webhook_deliveries.c.tries + 1
            claimed = update(webhook_deliveries).where(mine).values(tries=tries, due_time=now + CLAIMED_FOR)
            await connection.execute(claimed)
            rows = (await connection.execute(_select_deliveries().where(mine))).mappings()
            return [
                Delivery(row["delivery_id"], row["event"], job_of(row), row["tries"]) for row in rows.all()
            ]

    async def remove(self, delivery: Delivery) -> None:
        """It has arrived, or is given up."""
        mine = webhook_deliveries.c.delivery_id == delivery.delivery_id
        async with self._database.write() as connection:
            await connection.execute(delete(webhook_deliveries).where(mine))

    async def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Its next try is due in so many seconds, unless somebody else has claimed it meanwhile."""
        mine = webhook_deliveries.c.delivery_id == delivery.delivery_id
        not_later = webhook_deliveries.c.tries == delivery.tries
        due = self._clock() + timedelta(seconds=seconds)
        async with self._database.write() as connection:
            await connection.execute(update(webhook_deliveries).where(mine, not_later).values(due_time=due))


async def write_deliveries(connection: AsyncConnection, job: Job) -> None:
    """Make the webhooks of a job due that ends in this transaction, if it has any."""
    if not job.spec.webhook:
        return
    events = [COMPLETED, RECOVERED] if await _has_recovered(connection, job) else [COMPLETED]
    about = {
        "job_id": job.job_id,
        "attempt": job.attempt.number,
        "due_time": job.attempt.end_time,
        "tries": 0,
    }
    rows = [about | {"delivery_id": str(uuid4()), "event": event} for event in events]
    await connection.execute(insert(webhook_deliveries), rows)


async def _has_recovered(connection: AsyncConnection, job: Job) -> bool:
    if not job.attempt.success:
        return False
    # Who cancels says nothing about whether it would have succeeded.
    ran = attempts.c.status.in_([Status.COMPLETED, Status.FAILED])
    this = (attempts.c.job_id == job.job_id) & (attempts.c.number == job.attempt.number)
    before = (
        select(attempts.c.success)
        .join(jobs, jobs.c.job_id == attempts.c.job_id)
        .where(jobs.c.user_name == job.user, ran, ~this)
        .where(jobs.c.branch.is_not_distinct_from(job.spec.branch))
        .where(jobs.c.command.is_not_distinct_from(job.spec.command))
        .order_by(attempts.c.end_time.desc(), attempts.c.job_id.desc(), attempts.c.number.desc())
        .limit(1)
    )
    return await connection.scalar(before) is False


def _due(now: datetime, most: int) -> Select[*tuple[Any, ...]]:
    query = select(webhook_deliveries.c.delivery_id).where(webhook_deliveries.c.due_time <= now)
    return query.order_by(webhook_deliveries.c.due_time, webhook_deliveries.c.delivery_id).limit(most)


def _select_deliveries() -> Select[*tuple[Any, ...]]:
    about = (attempts.c.job_id == webhook_deliveries.c.job_id) & (
        attempts.c.number == webhook_deliveries.c.attempt
    )
    query = select(jobs, attempts)
    query = query.add_columns(
        webhook_deliveries.c.delivery_id, webhook_deliveries.c.event, webhook_deliveries.c.tries
    )
    query = query.join(attempts, attempts.c.job_id == jobs.c.job_id).join(webhook_deliveries, about)
    return query.order_by(attempts.c.end_time, webhook_deliveries.c.event)
