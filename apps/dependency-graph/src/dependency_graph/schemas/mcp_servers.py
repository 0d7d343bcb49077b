"""What is asked of MCP servers and of the registry, and the pages that answer it."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from dependency_graph.application.inventory_queries import McpServerView, RegistryEntryView
from dependency_graph.schemas.bodies import Name, no_nul
from dependency_graph.schemas.cursor import encode_cursor

LONGEST_NAME = 317
"""Of an MCP server: in Kubernetes 63 characters of a namespace, a slash, and 253 of a name."""

ServerName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), AfterValidator(no_nul)]
FromRegistry = Annotated[
    bool | None, Field(description="true: only servers that the registry knows; false: only others")
]
InGroup = Annotated[Name | None, Field(description="exactly this group")]
InStatus = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(no_nul)] | None,
    Field(description="exactly this status, such as running or stopped"),
]
Remote = Annotated[
    bool | None,
    Field(description="true: only servers that lead to a URL; false: only those run from an image"),
]


class McpServerPage(BaseModel):
    mcp_servers: list[McpServerView]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[McpServerView], limit: int) -> Self:
        """The first `limit` of `found`, which holds one more where there is a further page."""
        more = encode_cursor(found[limit - 1].name) if len(found) > limit else None
        return cls(mcp_servers=list(found[:limit]), next_cursor=more)


class RegistryPage(BaseModel):
    mcp_registry: list[RegistryEntryView]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[RegistryEntryView], limit: int) -> Self:
        """The first `limit` of `found`, which holds one more where there is a further page."""
        more = encode_cursor(found[limit - 1].name) if len(found) > limit else None
        return cls(mcp_registry=list(found[:limit]), next_cursor=more)
