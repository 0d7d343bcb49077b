from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from ci_server.api.strict_route import StrictRoute
from ci_server.api.wiring import Service
from problem_details import Problem

router = APIRouter(route_class=StrictRoute, tags=["health"])


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/livez", summary="Is the process alive")
@router.head("/livez", include_in_schema=False)
async def live() -> Health:
    """Depends on nothing."""
    return Health(status="ok")


@router.get("/readyz", summary="Can requests be answered")
@router.head("/readyz", include_in_schema=False)
async def ready(service: Service) -> Health:
    """503 names what is missing: a database, its migrations, or room for the files of jobs."""
    missing = await service.missing()
    if missing:
        raise Problem(503, "Not ready", " ".join(missing), slug="not-ready", headers={"Retry-After": "1"})
    return Health(status="ok")
