from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Service
from dependency_graph.application.sync import SourceState
from dependency_graph.domain.sync_run import RunStatus, SyncRun

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["scheduled sources"])

SourceName = Annotated[str, Path(openapi_examples={"staleness": {"value": "staleness"}})]


class RunAnswer(BaseModel):
    """One run of a source. `changes` tells what it did by name, `error` why it failed and what to do."""

    run_id: UUID
    source: str
    status: Literal["running", "succeeded", "failed"]
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None
    changes: Mapping[str, Any]
    error: str | None

    @classmethod
    def of(cls, run: SyncRun) -> "RunAnswer":
        return cls(
            run_id=run.run_id,
            source=run.source,
            status=run.status.value,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration_seconds=run.duration_seconds,
            changes=run.changes,
            error=run.error,
        )


class SourceAnswer(BaseModel):
    """A source, and its last run if there was one. `missing` says which setting keeps it from running."""

    source: str
    configured: bool
    missing: str | None
    interval_seconds: float | None
    next_run_at: datetime | None
    last_run: RunAnswer | None

    @classmethod
    def of(cls, state: SourceState) -> "SourceAnswer":
        interval = state.source.interval
        return cls(
            source=state.source.name,
            configured=state.source.missing is None,
            missing=state.source.missing,
            interval_seconds=interval.total_seconds() if interval else None,
            next_run_at=state.next_run_at,
            last_run=RunAnswer.of(state.history[0]) if state.history else None,
        )


class SyncAnswer(BaseModel):
    sources: list[SourceAnswer]


@router.get("/sync", summary="How the scheduled sources stand")
async def list_sources(service: Service) -> SyncAnswer:
    """Every source with its last run: when, how long, what it changed, what failed; and when it runs next."""
    return SyncAnswer(sources=[SourceAnswer.of(state) for state in await service.sync.states()])


@router.post(
    "/sync/{source}",
    status_code=202,
    responses={200: {"model": RunAnswer, "description": "The run has ended"}},
    summary="Run a source now",
)
async def run_source(
    source: SourceName,
    service: Service,
    response: Response,
    wait: Annotated[bool, Query(description="answer when the run has ended")] = False,
) -> RunAnswer:
    """Run a source, or join the run that is under way. One that fails is a record too: see its `status`."""
    run = await service.sync.start(source)
    if wait:
        run = await service.sync.finished(run)
        if run.status is not RunStatus.RUNNING:
            response.status_code = 200
    return RunAnswer.of(run)
