from typing import Any

from fastapi import APIRouter, Response

from ci_server.api.attempt import AskedAttempt
from ci_server.api.file_answer import FileAnswer
from ci_server.api.strict_route import StrictRoute
from ci_server.api.wiring import OF_A_JOB, OwnJob, Service
from ci_server.domain.job import ENDED

router = APIRouter(prefix=OF_A_JOB, route_class=StrictRoute, tags=["jobs"])

_TEXT: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}


@router.get(
    "/logs",
    response_class=Response,
    responses={
        200: {"description": "All of it", "content": _TEXT},
        206: {"description": "The range that was asked for", "content": _TEXT},
    },
    summary="What a job printed",
)
@router.head("/logs", include_in_schema=False)
async def get_log(job: OwnJob, attempt: AskedAttempt, service: Service) -> Response:
    """The log of an attempt as it is stored, secrets masked; while it runs, what is there so far.

    Ranges are of bytes. There is an `ETag` once the attempt has ended, as its log does not change any more.
    """
    path = service.files.log(job.job_id, attempt.number)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        file = None
    etag = f'"{job.job_id}-{attempt.number}"' if attempt.status in ENDED else None
    return FileAnswer(file, "text/plain; charset=utf-8", etag)
