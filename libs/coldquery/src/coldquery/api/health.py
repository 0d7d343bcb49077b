from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from problem_details import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/livez", summary="Is the process alive")
@router.head("/livez", include_in_schema=False)
async def live() -> Health:
    """Depends on nothing."""
    return Health(status="ok")


@router.get("/readyz", summary="Can requests be answered")
@router.head("/readyz", include_in_schema=False)
async def ready(request: Request) -> Health:
    """503 names what is missing: the database, that of the API keys, or its migrations."""
    if missing := await request.state.missing():
        raise Problem(503, "Not ready", " ".join(missing), slug="not-ready", headers={"Retry-After": "1"})
    return Health(status="ok")
