from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field


def encode_cursor(last: str) -> str:
    """An opaque cursor that stands behind the item of key `last`."""
    return urlsafe_b64encode(last.encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        last = ""
    if not last or encode_cursor(last) != cursor or "\0" in last:
        raise ValueError("this is not a cursor; take it from `next_cursor` of the page before")
    return last


_behind = Field(description="`next_cursor` of the page before")

TextCursor = Annotated[str | None, BeforeValidator(_decode), _behind]
IdCursor = Annotated[UUID | None, BeforeValidator(_decode), _behind]
PageSize = Annotated[int, Field(ge=1, le=1000, description="items on a page")]
