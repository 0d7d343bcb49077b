"""What routes are given: the whole of dependency injection.

The functions are coroutines, as FastAPI runs others in a thread.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from api_access import Principal, Scope
from ci_server.api.job_watches import JobWatches
from ci_server.api.schemas import EXAMPLE_ID
from ci_server.api.submitting import Intake
from ci_server.domain.errors import JobNotFound
from ci_server.domain.job import Job
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

OF_A_JOB = "/jobs/{job_id}"
"""Begins the paths whose routes ask for `OwnJob`."""

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Resources:
    """What the service works with, from its start to its stop. `missing` says what keeps it from working."""

    store: JobStore
    files: JobFiles
    watches: JobWatches
    intake: Intake
    missing: Callable[[], Awaitable[list[str]]]


async def resources(request: Request) -> Resources:
    return request.state.resources


async def principal(request: Request) -> Principal:
    return request.state.principal


Service = Annotated[Resources, Depends(resources)]
Caller = Annotated[Principal, Depends(principal)]


def seen_by(caller: Principal) -> str | None:
    """Whose jobs are there for `caller`; None for everybody's."""
    return None if Scope.ADMIN in caller.scopes else caller.name


async def own_job(
    job_id: Annotated[
        str,
        Path(
            description="32 hexadecimal digits",
            openapi_examples={"a job": {"value": EXAMPLE_ID}},
            # Documented and not checked by the framework: what is no id is no job, and so 404.
            json_schema_extra={"pattern": "^[0-9a-f]{32}$"},
        ),
    ],
    service: Service,
    caller: Caller,
) -> Job:
    """The job of the path, as far as the caller may see it. Raises JobNotFound."""
    if len(job_id) != _ID_LENGTH or not _HEX.issuperset(job_id):
        raise JobNotFound(job_id)
    return await service.store.find(job_id, seen_by(caller))


OwnJob = Annotated[Job, Depends(own_job)]
