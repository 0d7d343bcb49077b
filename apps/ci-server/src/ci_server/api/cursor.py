from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator

Place = tuple[datetime, str]
"""Of a job in the order of jobs: when it was submitted, and its id."""


def encode_cursor(place: Place) -> str:
    """An opaque cursor that stands behind the job of that place."""
    submitted, job_id = place
    text = f"{submitted.astimezone(UTC).isoformat()} {job_id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> Place:
    try:
        moment, _, job_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        place = (datetime.fromisoformat(moment), job_id)
        if encode_cursor(place) == cursor and job_id.isalnum():
            return place
    except (ValueError, OverflowError):
        pass
    raise ValueError("this is not a cursor; take it from the Link of the page before")


def _known(cursor: str) -> str:
    _decode(cursor)
    return cursor


async def page_start(
    cursor: Annotated[
        str | None, AfterValidator(_known), Query(description="from the Link of the page before")
    ] = None,
) -> Place | None:
    """Behind which job the page begins; None for the first page."""
    return _decode(cursor) if cursor is not None else None


PageStart = Annotated[Place | None, Depends(page_start)]
PageSize = Annotated[int, Query(ge=1, le=1000, description="jobs on a page")]
