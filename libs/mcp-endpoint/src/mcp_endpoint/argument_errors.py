from collections.abc import Iterable

from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from pydantic_core import ErrorDetails
from pydantic_core import ValidationError as ArgumentsNotValid

_MOST_FAULTS = 20


class ArgumentErrors(Middleware):
    """Says in plain words which arguments of a tool are not acceptable, and why."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        try:
            return await call_next(context)
        except ValidationError as error:
            if not isinstance(error.__cause__, ArgumentsNotValid):
                raise
            faults = error.__cause__.errors(include_url=False, include_context=False, include_input=False)
            raise ToolError("; ".join(_in_words(faults))) from error


def _in_words(faults: list[ErrorDetails]) -> Iterable[str]:
    for fault in faults[:_MOST_FAULTS]:
        place = ".".join(str(part) for part in fault["loc"])
        yield f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    if len(faults) > _MOST_FAULTS:
        yield f"and {len(faults) - _MOST_FAULTS} more faults"
