from typing import Annotated

from fastapi import APIRouter, Query, Response

from ci_server.api.schemas import JobAnswer
from ci_server.api.strict_route import StrictRoute
from ci_server.api.text import Text
from ci_server.api.wiring import OF_A_JOB, Caller, OwnJob, Service
from ci_server.domain.job import ENDED

router = APIRouter(prefix=OF_A_JOB, route_class=StrictRoute, tags=["jobs"])


@router.get("", summary="One job")
async def get_job(job: OwnJob) -> JobAnswer:
    """A job with its latest attempt."""
    return JobAnswer.of(job)


@router.delete(
    "",
    responses={202: {"model": JobAnswer, "description": "It runs, and is being stopped"}},
    summary="Cancel a job",
)
async def cancel_job(
    job: OwnJob,
    response: Response,
    service: Service,
    caller: Caller,
    why: Annotated[Text | None, Query(description="goes into the job's reason, after who did it")] = None,
) -> JobAnswer:
    """Cancel a job that waits, at once; or have one that runs stopped: asked first, and killed after 10 s.

    What it printed is kept. 409 where it has ended.
    """
    now = await service.store.cancel(job.job_id, caller.name, why)
    response.status_code = 200 if now.attempt.status in ENDED else 202
    return JobAnswer.of(now)


@router.post("/retry", summary="Run a job again")
async def retry_job(job: OwnJob, service: Service, caller: Caller) -> JobAnswer:
    """Queue a job that has ended for another attempt, with the same zip. Earlier attempts keep their logs.

    409 where it has not ended.
    """
    return JobAnswer.of(await service.store.retry(job.job_id, caller.name))
