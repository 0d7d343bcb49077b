from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import RowMapping, Select, func, insert, or_, select, text, update
from sqlalchemy import delete as delete_from
from sqlalchemy.ext.asyncio import AsyncConnection

from ci_server.domain.course import Outcome
from ci_server.domain.errors import AttemptNotFound, ClaimLost, JobHasEnded, JobHasNotEnded, JobNotFound
from ci_server.domain.job import ENDED, Attempt, Job, JobSpec, Status
from ci_server.storage.database import Database
from ci_server.storage.job_store_filter import JobFilter, can_be_stored, filtered, older_than
from ci_server.storage.job_store_locking import change_attempt, lock_job, lock_running
from ci_server.storage.job_store_metrics import jobs_claimed, jobs_ended
from ci_server.storage.job_store_queue import has_status, select_next, select_positions
from ci_server.storage.job_store_rows import (
    attempt_of,
    job_of,
    latest_attempt,
    outcome_columns,
    select_jobs,
    spec_columns,
)
from ci_server.storage.job_store_users import UserJobs, select_users, users_of
from ci_server.storage.outbox import write_deliveries
from ci_server.storage.tables import attempts, jobs

__all__ = ["JobFilter", "JobStore", "UserJobs"]

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
_ONE_CLAIM_AT_A_TIME = text("SELECT pg_advisory_xact_lock(1667853409)")


class JobStore:
    """The jobs in the database, and every way from one status to another.

    Each change is one transaction, which looks at the status that it comes from. All methods raise
    StorageUnavailable. Where a commit broke off, the change may have been done: whoever asked looks again.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock

    async def submit(self, job_id: str, user: str, spec: JobSpec) -> Job:
        """Queue a job whose files are complete. On StorageUnavailable leave them: the sweep takes what is nobody's."""
        now = self._clock()
        named = {"job_id": job_id, "user_name": user, "submitted_time": now, "latest": 1}
        async with self._database.write() as connection:
            await connection.execute(insert(jobs).values(**named, **spec_columns(spec)))
            return Job(job_id, user, spec, await _queue(connection, job_id, 1, now), now)

    async def find(self, job_id: str, user: str | None = None) -> Job:
        """A job, of that user if one is given. Raises JobNotFound, also for another user's."""
        query = filtered(select_jobs, JobFilter(user=user)).where(jobs.c.job_id == job_id)
        found = await self._all(query) if can_be_stored(job_id) else ()
        if not found:
            raise JobNotFound(job_id)
        return job_of(found[0])

    async def attempt(self, job_id: str, number: int) -> Attempt:
        """One of a job's attempts. Raises AttemptNotFound, also where there is no such job."""
        query = select(attempts).where(attempts.c.job_id == job_id)
        rows = await self._all(query) if can_be_stored(job_id) else ()
        found = [row for row in rows if row[attempts.c.number] == number]
        if not found:
            raise AttemptNotFound(job_id, number)
        return attempt_of(found[0])

    async def list(
        self, wanted: JobFilter, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[Job]:
        """At most `limit` jobs, the newest first; those after a job's `submitted_time` and id, if given."""
        query = filtered(select_jobs, wanted).limit(limit)
        query = query.order_by(jobs.c.submitted_time.desc(), jobs.c.job_id.desc())
        return [job_of(row) for row in await self._all(query.where(older_than(*after)) if after else query)]

    async def positions(self) -> Mapping[str, int]:
        """The places in the queue, from 1, by job ids, as the next claims would go without limits."""
        return {row["job_id"]: row["position"] for row in await self._all(select_positions())}

    async def claim(self, host: str, runner: str, per_user: int | None = None) -> Job | None:
        """The next job, now running; None where none is queued of a user with less than `per_user` running."""
        if not await self._all(select(attempts.c.job_id).where(has_status(Status.QUEUED)).limit(1)):
            return None
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                await connection.execute(_ONE_CLAIM_AT_A_TIME)
            claimed = await _claim(connection, host, runner, per_user, self._clock())
        if claimed:
            jobs_claimed.inc()
        return claimed

    async def running(self) -> Sequence[Job]:
        """All that is running, whoever runs it, the longest first."""
        query = select_jobs.where(has_status(Status.RUNNING))
        return [job_of(row) for row in await self._all(query.order_by(attempts.c.start_time, jobs.c.job_id))]

    async def prepared(self, job: Job, log_base: int) -> Job:
        """Its installation is done and wrote that many bytes of the log; again is only right with the same number.

        Raises ClaimLost where the attempt is not running, or was prepared otherwise.
        """
        async with self._database.write() as connection:
            current = await lock_running(connection, job)
            if current.attempt.log_base not in {None, log_base}:
                raise ClaimLost(job.job_id)
            return await change_attempt(connection, current, log_base=log_base)

    async def started(self, job: Job) -> Job:
        """The runner has it; again does no harm. Raises ClaimLost where the attempt is not running, or not prepared."""
        async with self._database.write() as connection:
            current = await lock_running(connection, job)
            if current.attempt.log_base is None:
                raise ClaimLost(job.job_id)
            return await change_attempt(connection, current, started=True)

    async def finish(self, job: Job, outcome: Outcome) -> Job:
        """It has ended so; its webhooks become due. Raises ClaimLost where the attempt is not running."""
        if outcome.status not in ENDED:
            raise ValueError(f"{outcome.status} is no end of a job")
        async with self._database.write() as connection:
            current = await lock_running(connection, job)
            ended = await self._end(connection, current, outcome)
        jobs_ended.labels(ended.attempt.status).inc()
        return ended

    async def cancel(self, job_id: str, by: str, why: str | None = None) -> Job:
        """Cancel what is queued, or note that what is running shall be; the first to want it is remembered.

        Raises JobNotFound and JobHasEnded.
        """
        reason = f"Cancelled by {by}: {why}" if why else f"Cancelled by {by}."
        async with self._database.write() as connection:
            job = await lock_job(connection, job_id)
            if job.attempt.status in ENDED:
                raise JobHasEnded(job_id, job.attempt.status)
            if job.attempt.status is Status.RUNNING:
                wanted = job.attempt.cancel_wanted or reason
                return await change_attempt(connection, job, cancel_wanted=wanted)
            cancelled = await self._end(connection, job, Outcome(Status.CANCELLED, False, reason=reason))
        jobs_ended.labels(Status.CANCELLED).inc()
        return cancelled

    async def retry(self, job_id: str, by: str) -> Job:
        """Queue the next attempt of a job that has ended. Raises JobNotFound and JobHasNotEnded."""
        async with self._database.write() as connection:
            job = await lock_job(connection, job_id)
            if job.attempt.status not in ENDED:
                raise JobHasNotEnded(job_id, job.attempt.status)
            number = job.attempt.number + 1
            await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(latest=number))
            queued = await _queue(connection, job_id, number, self._clock())
        _log.info("job_retried", job_id=job_id, attempt=number, by=by)
        return Job(job.job_id, job.user, job.spec, queued, job.submitted_time)

    async def delete(self, job_id: str) -> bool:
        """Forget a job that has ended, and its attempts; whether it was there and had ended."""
        async with self._database.write() as connection:
            try:
                job = await lock_job(connection, job_id)
            except JobNotFound:
                return False
            if job.attempt.status not in ENDED:
                return False
            await connection.execute(delete_from(jobs).where(jobs.c.job_id == job_id))
            return True

    async def ended(self, before: datetime | None = None) -> Sequence[str]:
        """The ids of all jobs that have ended, before that moment if one is given, the longest ago first."""
        query = select(jobs.c.job_id).join(attempts, latest_attempt).where(attempts.c.status.in_(ENDED))
        query = query.where(attempts.c.end_time < before) if before else query
        return [row["job_id"] for row in await self._all(query.order_by(attempts.c.end_time, jobs.c.job_id))]

    async def known(self, job_ids: Collection[str]) -> frozenset[str]:
        """Those of at most some hundred ids that are a job's."""
        found = await self._all(select(jobs.c.job_id).where(jobs.c.job_id.in_(job_ids)))
        return frozenset(row["job_id"] for row in found)

    async def users(self) -> Sequence[UserJobs]:
        """Who has submitted what is kept, by name."""
        return users_of(await self._all(select_users))

    async def counts(self, among: Collection[Status] = tuple(Status)) -> Mapping[Status, int]:
        """How many jobs have each of these statuses."""
        wanted = or_(*map(has_status, among)) if ENDED.isdisjoint(among) else attempts.c.status.in_(among)
        query = select(attempts.c.status, func.count().label("jobs")).join(jobs, latest_attempt)
        rows = await self._all(query.where(wanted).group_by(attempts.c.status))
        return dict.fromkeys(among, 0) | {Status(row["status"]): row["jobs"] for row in rows}

    async def _end(self, connection: AsyncConnection, job: Job, outcome: Outcome) -> Job:
        columns = outcome_columns(outcome)
        ended = await change_attempt(connection, job, end_time=self._clock(), **columns)
        await write_deliveries(connection, ended)
        return ended

    async def _all(self, query: Select[*tuple[Any, ...]]) -> Sequence[RowMapping]:
        async with self._database.read() as connection:
            return (await connection.execute(query)).mappings().all()


async def _queue(connection: AsyncConnection, job_id: str, number: int, now: datetime) -> Attempt:
    attempt = Attempt(number, Status.QUEUED, queued_time=now)
    values = {"job_id": job_id, "number": number, "status": Status.QUEUED, "queued_time": now}
    await connection.execute(insert(attempts).values(**values, started=False))
    return attempt


async def _claim(
    connection: AsyncConnection, host: str, runner: str, per_user: int | None, now: datetime
) -> Job | None:
    found = (await connection.execute(select_next(per_user))).mappings().one_or_none()
    if found is None:
        return None
    # Its attempt is locked. To lock its row among the jobs as well would be the wrong order.
    mine = jobs.c.job_id == found["job_id"]
    job = job_of((await connection.execute(select_jobs.where(mine))).mappings().one())
    return await change_attempt(
        connection, job, status=Status.RUNNING, start_time=now, host=host, runner=runner
    )
