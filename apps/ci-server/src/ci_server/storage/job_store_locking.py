"""How a transition holds what it changes: first the row of the job, then that of its latest attempt."""

from typing import Any

from sqlalchemy import RowMapping, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ci_server.domain.errors import ClaimLost, JobNotFound
from ci_server.domain.job import Job, Status
from ci_server.storage.job_store_filter import can_be_stored
from ci_server.storage.job_store_rows import job_of, select_jobs
from ci_server.storage.tables import attempts, jobs


async def lock_job(connection: AsyncConnection, job_id: str) -> Job:
    """The job as it is now and stays until the transaction ends. Raises JobNotFound."""
    mine = jobs.c.job_id == job_id
    # In two steps: a row that PostgreSQL has waited for is not joined anew with what the other one has written.
    if not can_be_stored(job_id) or not await _one(connection, select(jobs.c.job_id).where(mine)):
        raise JobNotFound(job_id)
    row = await _one(connection, select_jobs.where(mine))
    if row is None:
        raise JobNotFound(job_id)
    return job_of(row)


async def lock_running(connection: AsyncConnection, job: Job) -> Job:
    """As `lock_job`, of an attempt that is running. Raises ClaimLost where it is not, or is not the latest."""
    try:
        current = await lock_job(connection, job.job_id)
    except JobNotFound:
        raise ClaimLost(job.job_id) from None
    if current.attempt.number != job.attempt.number or current.attempt.status is not Status.RUNNING:
        raise ClaimLost(job.job_id)
    return current


async def change_attempt(connection: AsyncConnection, job: Job, **values: Any) -> Job:
    """Write to the latest attempt of a job that is locked, and is as it was locked."""
    attempt = job.attempt
    # The status is asked for once more, so that no mistake in locking can let two of them win.
    change = update(attempts).where(
        attempts.c.job_id == job.job_id,
        attempts.c.number == attempt.number,
        attempts.c.status == attempt.status,
    )
    if (await connection.execute(change.values(**values))).rowcount != 1:
        raise ClaimLost(job.job_id)
    changed = await connection.execute(select_jobs.where(jobs.c.job_id == job.job_id))
    return job_of(changed.mappings().one())


async def _one(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> RowMapping | None:
    return (await connection.execute(query.with_for_update())).mappings().one_or_none()
