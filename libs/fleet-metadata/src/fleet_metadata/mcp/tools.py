import logging
from typing import Annotated, Any

from fastmcp.exceptions import ResourceError, ToolError, ValidationError
from fastmcp.tools import ToolResult
from mcp_types import TextContent
from pydantic import BaseModel, Field
from pydantic_core import from_json

from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.selection import EVERYTHING, Selection
from fleet_metadata.collection.untold import NoSuchKey, NotTold, why_untold
from fleet_metadata.schemas import KeySchema


class ListedKey(BaseModel):
    key: str
    collector: str
    key_schema: KeySchema = Field(alias="schema")


class KeyList(BaseModel):
    keys: list[ListedKey]


class MetadataTools:
    """Tools and the resource on one board; their docstrings are what an agent reads."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def collect_metadata(
        self, key: Annotated[str | None, Field(description="one key instead of all: git_branch")] = None
    ) -> ToolResult:
        """What this workspace is doing right now: branch, commit, pull request, checks, task, load.

        `data` has an entry for each key: its value, null where there is none, and its schema. `meta.collectors`
        says how it stands with each source: `stale` values are `age_seconds` old, and `error` says why.
        """
        if key is None:
            return _told((await self._board.read()).body)
        try:
            return _told((await self._one(key)).body)
        except (NoSuchKey, NotTold) as reason:
            raise ToolError(str(reason), log_level=logging.DEBUG) from reason

    async def list_metadata_keys(self) -> ToolResult:
        """The keys that this workspace has, what they mean, and of what type their values are."""
        keys = self._board.keys(await self._board.read(EVERYTHING))
        listed = [
            {"key": name, "collector": collector.name, "schema": key.schema()}
            for name, (collector, key) in keys.items()
        ]
        return ToolResult(structured_content={"keys": listed})

    async def entry(self, key: str) -> str:
        """One thing about the workspace, `metadata://git_branch`: its value and its schema."""
        try:
            return (await self._one(key)).entries[key].decode()
        except NoSuchKey as reason:
            # Answered as parameters that are not valid, as MCP has it for a resource that is not there.
            raise ValidationError(str(reason), log_level=logging.DEBUG) from reason
        except NotTold as reason:
            raise ResourceError(str(reason), log_level=logging.DEBUG) from reason

    async def _one(self, key: str) -> Answer:
        answer = await self._board.read(Selection(names=frozenset({key})))
        if key not in answer.entries:
            raise why_untold(self._board, answer, key)
        return answer


def _told(body: bytes) -> ToolResult:
    content: dict[str, Any] = from_json(body)
    return ToolResult(content=[TextContent(type="text", text=body.decode())], structured_content=content)
