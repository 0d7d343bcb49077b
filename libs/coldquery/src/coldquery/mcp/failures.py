"""How what goes wrong is told over MCP: an error of the call, in words and as fields."""

from typing import Any

from fastmcp.tools import ToolResult
from mcp_types import TextContent

from coldquery.errors import ColdQueryError

_TOLD = ("sqlstate", "position", "hint", "detail", "operation")


def failed(error: ColdQueryError) -> ToolResult:
    """The answer of a tool that failed: `{"error": {"message", ...}}` with what there is of the error."""
    fields = {"message": error.message} | dict(_fields(error).items())
    return ToolResult(
        content=[TextContent(type="text", text=in_words(error))],
        structured_content={"error": fields},
        is_error=True,
    )


def in_words(error: ColdQueryError) -> str:
    """The error in lines: the message, then what else there is."""
    fields = _fields(error)
    # It stands in the message already.
    fields.pop("operation", None)
    message = (
        f"{error.message} (SQLSTATE {fields.pop('sqlstate')})" if "sqlstate" in fields else error.message
    )
    return "\n".join([message, *(f"{name.capitalize()}: {value}" for name, value in fields.items())])


def _fields(error: ColdQueryError) -> dict[str, Any]:
    found = {name: getattr(error, name, None) for name in _TOLD}
    return {name: value for name, value in found.items() if value is not None}
