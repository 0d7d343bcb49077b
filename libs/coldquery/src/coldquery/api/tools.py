from collections.abc import Sequence

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from coldquery.mcp.registry import Registry

router = APIRouter(tags=["tools"])


class ActionTold(BaseModel):
    """One action of a tool, and the parameters that it takes."""

    action: str
    needs: Sequence[str] = Field(description="parameters that it cannot do without")
    takes: Sequence[str] = Field(description="all parameters")


class ToolTold(BaseModel):
    tool: str
    actions: Sequence[ActionTold]


class ToolList(BaseModel):
    tools: Sequence[ToolTold]


@router.get("/api/v1/tools", summary="What agents can ask at /mcp")
async def tools(request: Request) -> ToolList:
    """The tools with their actions. Good for trying a key: 200 for one that may read."""
    registry: Registry = request.state.registry
    return ToolList(
        tools=[
            ToolTold(
                tool=tool,
                actions=[ActionTold(action=a.name, needs=a.needs, takes=a.takes) for a in actions.values()],
            )
            for tool, actions in registry.tools().items()
        ]
    )
