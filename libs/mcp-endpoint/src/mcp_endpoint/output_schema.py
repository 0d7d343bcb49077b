from functools import cache
from typing import Any

from fastmcp.utilities.json_schema import compress_schema, dereference_refs
from pydantic import TypeAdapter

# Keywords whose parts have names of their own, which may be those of keywords.
_OF_NAMES = frozenset({"properties", "patternProperties", "$defs", "mapping"})


@cache
def output_schema(answer: type) -> dict[str, Any]:
    """The JSON schema of an answer of type `answer`, without defaults: what is not there has none.

    Without references too, where it can be, which FastMCP would resolve anew with each call of a tool. It is the same
    object each time, and not to be changed.
    """
    # As if it were read: a field with a default need not be there.
    schema = _without_defaults(TypeAdapter(answer).json_schema(mode="validation"))
    return compress_schema(dereference_refs(schema), prune_titles=True)


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: {name: _without_defaults(inner) for name, inner in part.items()}
        if keyword in _OF_NAMES and isinstance(part, dict)
        else _without_defaults(part)
        for keyword, part in schema.items()
        if keyword != "default"
    }
