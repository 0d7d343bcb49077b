from typing import Any

from fastapi import APIRouter, Request, Response

from ci_server.api.event_stream import EventStream
from ci_server.api.form_schema import FORM
from ci_server.api.job_events import job_events
from ci_server.api.schemas import Submitted
from ci_server.api.stream import STREAM
from ci_server.api.strict_route import StrictRoute
from ci_server.api.wiring import Caller, Service

router = APIRouter(route_class=StrictRoute, tags=["submissions"])

_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": FORM}}}


@router.post(
    "/submit",
    response_class=Response,
    responses=STREAM,
    openapi_extra=_BODY,
    summary="Submit a project and follow its job",
)
async def submit(request: Request, service: Service, caller: Caller) -> Response:
    """Queue a job for the tests of a zipped project; the answer streams what they print, until their end.

    The zip has `tests/` and `requirements.txt` or `pyproject.toml` at its root, unless a `command` is given.
    Leaving stops nothing. 413 and 422 where the zip or a field is not acceptable, 408 where nothing comes for a
    minute; nothing of it is kept then.
    """
    job = await service.intake.submit(request, caller.name)
    return EventStream(job_events(service.watches, job.job_id, job.attempt, 0))


@router.post(
    "/submit-stream",
    response_class=Response,
    responses=STREAM,
    openapi_extra=_BODY,
    summary="Submit a project and follow its job, whose id comes first",
)
async def submit_stream(request: Request, service: Service, caller: Caller) -> Response:
    """As `POST /submit`, and the first event is the job's id, for `GET /jobs/{job_id}/stream` after a break."""
    job = await service.intake.submit(request, caller.name)
    return EventStream(job_events(service.watches, job.job_id, job.attempt, 0, tell_id=True))


@router.post("/submit-async", openapi_extra=_BODY, summary="Submit a project")
async def submit_async(request: Request, service: Service, caller: Caller) -> Submitted:
    """As `POST /submit`; the answer is the job's id alone."""
    job = await service.intake.submit(request, caller.name)
    return Submitted(job_id=job.job_id)
