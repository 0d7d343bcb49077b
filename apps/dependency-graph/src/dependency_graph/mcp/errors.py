"""The one table from what can be wrong to what an agent is told of it; of all else it learns that it failed."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from fastmcp.exceptions import FastMCPError

from dependency_graph.domain import errors


class AnswerTooLong(Exception):
    """An answer has more bytes than an agent is told; it asks for less."""

    def __init__(self, length: int, most: int) -> None:
        super().__init__(
            f"The answer has {length:,} bytes, and at most {most:,} are told. "
            "Ask for less: a smaller `depth`, one `direction` or a smaller `limit`."
        )


def _how_to_find(error: errors.ServiceNotFound) -> str:
    return (
        f"There is no service {error.service_id!r}. Call find_services with a part of its name as `q`, "
        "and take the `service_id` from there."
    )


def _how_to_find_server(error: errors.McpServerNotFound) -> str:
    return f"There is no MCP server {error.name!r}. Call list_mcp_servers, and take the `name` from there."


_TOLD: dict[type[Exception], Callable[[Any], str]] = {
    errors.ServiceNotFound: _how_to_find,
    errors.McpServerNotFound: _how_to_find_server,
    errors.InvalidServiceId: str,
    errors.GraphUnavailable: str,
    errors.GraphBusy: str,
    AnswerTooLong: str,
}


@contextmanager
def told_as(kind: type[FastMCPError]) -> Generator[None]:
    """Raise errors of the table as `kind`, which reaches the client."""
    try:
        yield
    except tuple(_TOLD) as error:
        # Told to whom it concerns; the log would tell it as an error of ours.
        raise kind(_TOLD[type(error)](error), log_level=logging.DEBUG) from error
