from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Caller, Now, Reader, Service
from dependency_graph.application.queries import AlertView
from dependency_graph.application.review_alert import review_alert
from dependency_graph.domain.cycle import AlertStatus
from dependency_graph.schemas.bodies import Name, Notes, Told
from dependency_graph.schemas.cursor import IdCursor, PageSize
from dependency_graph.schemas.pages import AlertPage

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["circular dependencies"])


class ReviewTold(Told):
    """A decision on a circular dependency. `acknowledged_by` is the name of the API key if left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "acknowledged", "resolution_notes": "known, ticket 7"}]}
    )

    status: Annotated[AlertStatus, Field(strict=False)]
    acknowledged_by: Name | None = None
    resolution_notes: Notes | None = None


@router.get("/circular-dependencies", summary="List circular dependencies")
async def list_circular_dependencies(
    reader: Reader, status: AlertStatus | None = None, limit: PageSize = 100, cursor: IdCursor = None
) -> AlertPage:
    """The cycles that were found, the newest first, page by page."""
    return AlertPage.of(await reader.alerts(status, cursor, limit + 1), limit)


@router.patch("/circular-dependencies/{alert_id}", summary="Acknowledge, resolve or reopen")
async def patch_circular_dependency(
    alert_id: UUID, told: ReviewTold, service: Service, caller: Caller, now: Now
) -> AlertView:
    """Store a decision. A resolved cycle that is still there reopens with the next ingest that touches it."""
    by = told.acknowledged_by or (caller.name if told.status is AlertStatus.ACKNOWLEDGED else None)
    async with service.transaction() as graph:
        alert = await review_alert(alert_id, told.status, by, told.resolution_notes, graph, now)
    return AlertView(
        alert.alert_id,
        alert.cycle,
        alert.status,
        alert.detected_at,
        alert.acknowledged_by,
        alert.resolution_notes,
        alert.resolved_at,
    )
