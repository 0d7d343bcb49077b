from typing import Annotated

from fastapi import Depends, Query

from ci_server.api.wiring import OwnJob, Service
from ci_server.domain.job import Attempt

_MOST_ATTEMPTS = 2**31 - 1


async def asked_attempt(
    job: OwnJob,
    service: Service,
    attempt: Annotated[
        int | None, Query(ge=1, le=_MOST_ATTEMPTS, description="an attempt, from 1; else the latest")
    ] = None,
) -> Attempt:
    """The attempt of the query. Raises AttemptNotFound."""
    if attempt is None or attempt == job.attempt.number:
        return job.attempt
    return await service.store.attempt(job.job_id, attempt)


AskedAttempt = Annotated[Attempt, Depends(asked_attempt)]
