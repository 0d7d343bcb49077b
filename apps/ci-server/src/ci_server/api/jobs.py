from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ci_server.api.cursor import PageSize, PageStart, Place, encode_cursor
from ci_server.api.schemas import JobAnswer
from ci_server.api.strict_route import StrictRoute
from ci_server.api.text import Text
from ci_server.api.wiring import Caller, Service, seen_by
from ci_server.domain.job import Status
from ci_server.storage.job_store import JobFilter

router = APIRouter(route_class=StrictRoute, tags=["jobs"])


@router.get("/jobs", summary="List jobs")
async def list_jobs(
    request: Request,
    response: Response,
    service: Service,
    caller: Caller,
    after: PageStart,
    status: Annotated[Status | None, Query(description="where they are")] = None,
    success: Annotated[bool | None, Query(description="whether their tests passed")] = None,
    q: Annotated[
        Text | None, Query(description="part of the command, branch or commit, or how the id begins")
    ] = None,
    branch: Annotated[Text | None, Query(description="the branch, as it was submitted")] = None,
    limit: PageSize = 100,
) -> list[JobAnswer]:
    """Your jobs that fulfil all conditions, or everybody's with the scope `admin`, the newest first.

    Where there are more, the header `Link` has the address of the next page.
    """
    wanted = JobFilter(user=seen_by(caller), status=status, success=success, text=q, branch=branch)
    found = await service.store.list(wanted, limit + 1, after)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    if last and last.submitted_time:
        response.headers["Link"] = _next_page(request, (last.submitted_time, last.job_id))
    return [JobAnswer.of(job) for job in page]


def _next_page(request: Request, place: Place) -> str:
    parameters = dict(request.query_params) | {"cursor": encode_cursor(place)}
    path = request.scope.get("root_path", "") + "/jobs"
    return f'<{path}?{urlencode(parameters)}>; rel="next"'
