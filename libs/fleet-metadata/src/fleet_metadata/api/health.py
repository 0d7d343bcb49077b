from fastapi import APIRouter

from fleet_metadata.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/health", summary="Is the process alive")
@router.get("/livez", summary="Is the process alive")
@router.get("/readyz", summary="Can requests be answered")
@router.head("/health", include_in_schema=False)
@router.head("/livez", include_in_schema=False)
@router.head("/readyz", include_in_schema=False)
async def alive() -> Health:
    """Depends on nothing: a server that answers is ready, whatever becomes of its collectors."""
    return Health(status="ok")
