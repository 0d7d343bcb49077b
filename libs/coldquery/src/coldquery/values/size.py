from typing import Any

from pydantic_core import to_json


def json_size(value: Any) -> int:
    """The bytes of `value` as JSON in UTF-8."""
    return len(to_json(value))
