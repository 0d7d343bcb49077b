from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from dependency_graph.api.wiring import Service
from problem_details import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/livez", summary="Is the process alive")
@router.get("/api/v1/health", summary="Is the process alive")
@router.head("/livez", include_in_schema=False)
@router.head("/api/v1/health", include_in_schema=False)
async def live() -> Health:
    """Depends on nothing."""
    return Health(status="ok")


@router.get("/readyz", summary="Can requests be answered")
@router.get("/api/v1/health/ready", summary="Can requests be answered")
@router.head("/readyz", include_in_schema=False)
@router.head("/api/v1/health/ready", include_in_schema=False)
async def ready(service: Service) -> Health:
    """503 names what is missing: the database, or its migrations."""
    missing = await service.missing()
    if missing:
        raise Problem(503, "Not ready", " ".join(missing), slug="not-ready", headers={"Retry-After": "1"})
    return Health(status="ok")
