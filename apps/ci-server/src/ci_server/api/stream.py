from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.exceptions import RequestValidationError

from ci_server.api.event_id import LastPlace, Place
from ci_server.api.event_stream import EventStream
from ci_server.api.job_events import FROM_NOW_ON, job_events
from ci_server.api.strict_route import StrictRoute
from ci_server.api.wiring import OF_A_JOB, OwnJob, Service
from ci_server.domain.errors import AttemptNotFound
from ci_server.domain.job import Attempt, Job, Status
from ci_server.storage.job_store import JobStore

router = APIRouter(prefix=OF_A_JOB, route_class=StrictRoute, tags=["jobs"])

EXAMPLE = """\
data: {"type": "queued", "position": 3}
id: 0

data: {"type": "log", "data": "1 passed"}
id: 8

data: {"type": "complete", "success": true, "status": "completed", "reason": null, "exit_code": 0}
id: 8

"""
_TEXT: dict[str, Any] = {"type": "string"}
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["data", "id"],
    "properties": {"data": _TEXT, "id": _TEXT},
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; `data` is JSON, of which `type` is `job_id`, `queued`, `log` or `complete`",
        "content": {"text/event-stream": {"schema": _EVENT, "example": EXAMPLE}},
    }
}


@router.get("/stream", response_class=Response, responses=STREAM, summary="Follow a job as it runs")
async def stream_job(
    job: OwnJob,
    service: Service,
    last_place: LastPlace,
    from_beginning: Annotated[
        bool, Query(description="whether what it has printed already comes first")
    ] = False,
) -> Response:
    """A job's places in the queue, what its latest attempt prints, and its end.

    After a break, send the last event's id as `Last-Event-ID`: the stream goes on with the next byte of that
    attempt, finished or not, whatever `from_beginning` says. It ends with `complete`, or without it when the
    server stops; then connect again. Leaving stops nothing.
    """
    if last_place:
        attempt, offset = await _resumed(service.store, job, last_place), last_place[1]
    else:
        attempt = job.attempt
        offset = 0 if from_beginning or attempt.status is Status.QUEUED else FROM_NOW_ON
    return EventStream(job_events(service.watches, job.job_id, attempt, offset))


async def _resumed(store: JobStore, job: Job, place: Place) -> Attempt:
    if place[0] == job.attempt.number:
        return job.attempt
    try:
        return await store.attempt(job.job_id, place[0])
    except AttemptNotFound as error:
        fault = {"loc": ("header", "last-event-id"), "type": "attempt", "msg": str(error), "input": None}
        raise RequestValidationError([fault]) from None
