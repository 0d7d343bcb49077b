"""Reads answers of the server, and the addresses that they are at."""

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from ci_client.errors import StrangeAnswer
from ci_client.models import Artifact, Job

T = TypeVar("T")

JOB = TypeAdapter(Job)
JOBS = TypeAdapter[Sequence[Job]](list[Job])
ARTIFACTS = TypeAdapter[Sequence[Artifact]](list[Artifact])
JOB_ID = TypeAdapter(dict[str, Any])


def read(response: httpx.Response, shape: TypeAdapter[T]) -> T:
    """The answer in that shape. Raises StrangeAnswer."""
    try:
        return shape.validate_json(response.content)
    except ValidationError:
        raise StrangeAnswer(
            f"What {response.url.host} answered to {response.url.path} is none of a CI server's; "
            "check CI_SERVER_URL, and that both are of the same version."
        ) from None


def job_path(job_id: str, *more: str) -> str:
    return "/".join(["/jobs", *(quote(part, safe="") for part in (job_id, *more))])


def filters(
    status: str | None, success: bool | None, q: str | None, branch: str | None, limit: int
) -> dict[str, str | int]:
    """As the query of a list of jobs has them."""
    given = {
        "status": status,
        "success": None if success is None else str(success).lower(),
        "q": q,
        "branch": branch,
        "limit": limit,
    }
    return {name: value for name, value in given.items() if value is not None}
