"""Whether an answer is of the shape that its type tells."""

import json
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from coldquery.mcp.registry import Handler


def shaped(handler: Handler, answer: Mapping[str, Any]) -> Any:
    """`answer`, which has every key that `handler` says it has, and no other, all as JSON has them."""
    type_ = get_type_hints(handler)["return"]
    as_json = json.loads(json.dumps(answer, allow_nan=False))
    # What the type does not know of is left out by pydantic, so that the two would differ.
    assert TypeAdapter(type_).validate_python(as_json, strict=True) == as_json
    return as_json
