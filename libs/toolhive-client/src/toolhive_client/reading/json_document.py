import json
from typing import Any

from pydantic_core import from_json

from toolhive_client.reading.unreadable import Strange


def document_in(body: bytes) -> Any:
    """The JSON document that `body` is. Raises Strange.

    A text may have half of a surrogate pair in it, which cannot be printed, as it would spoil all else otherwise.
    """
    try:
        return from_json(body)
    except ValueError:
        pass
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Strange from None
