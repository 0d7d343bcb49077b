"""Ids of the events of a stream: which attempt, and how far its log was told then."""

import re
from typing import Annotated

from fastapi import Depends, Header
from pydantic import AfterValidator

_BITS = 48
_ID = re.compile(r"[0-9]{1,18}")

Place = tuple[int, int]
"""An attempt, from 1, and an offset into its log, in bytes."""


def event_id(place: Place) -> str:
    """Decimal digits; later events of a job have ids that are not smaller."""
    attempt, offset = place
    return str((attempt - 1) << _BITS | offset)


def _known(text: str) -> str:
    # Some clients send the header with nothing in it before they have an id.
    if text and not _ID.fullmatch(text):
        raise ValueError(
            "this is not the id of an event of a stream; send the last one that came, or leave it out"
        )
    return text


async def last_place(
    last_event_id: Annotated[
        str | None,
        AfterValidator(_known),
        Header(description="the id of the last event that came: the stream goes on behind it"),
    ] = None,
) -> Place | None:
    """Where a stream that broke off is to go on; None where it begins."""
    if not last_event_id:
        return None
    attempt, offset = divmod(int(last_event_id), 1 << _BITS)
    return attempt + 1, offset


LastPlace = Annotated[Place | None, Depends(last_place)]
