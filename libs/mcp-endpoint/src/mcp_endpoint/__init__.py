"""A FastMCP server as one route of an ASGI app, with the errors and schemas that agents need."""

from mcp_endpoint.argument_errors import ArgumentErrors
from mcp_endpoint.endpoint import endpoint, log_like_the_rest
from mcp_endpoint.output_schema import output_schema

__all__ = ["ArgumentErrors", "endpoint", "log_like_the_rest", "output_schema"]
