from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dependency_graph.api.schemas import BatchTold
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Caller, Now, Service
from dependency_graph.application.ingest import Ingested, ingest
from dependency_graph.application.ingest_once import Repeatable, answer_once

router = APIRouter(prefix=API, route_class=StrictRoute)


class EndsAnswer(BaseModel):
    source: str
    target: str


class CycleAnswer(BaseModel):
    """A circular dependency through an edge of the body; `new` if it was never seen before."""

    cycle_path: list[str]
    alert_id: UUID
    new: bool


class ConflictAnswer(BaseModel):
    """Two sources that describe an edge differently; `kept` is the one whose attributes stand."""

    edge: EndsAnswer
    existing_source: str
    new_source: str
    resolution: Literal["kept_higher_priority"]
    kept: str


class IngestAnswer(BaseModel):
    """What the body did. The `upserted` counts are of what is new or differs now."""

    ingestion_id: UUID
    status: Literal["completed"]
    nodes_received: int
    edges_received: int
    nodes_upserted: int
    edges_upserted: int
    generation: int
    circular_dependencies_detected: list[CycleAnswer]
    conflicts_resolved: list[ConflictAnswer]
    warnings: list[str]
    estimated_completion_seconds: float | None


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="the same key with the same body within 24 hours gives the same answer again",
    ),
]


@router.post(
    "/services/dependencies",
    status_code=202,
    response_model=IngestAnswer,
    summary="Tell of services and their dependencies",
    tags=["dependencies"],
)
async def ingest_dependencies(
    told: BatchTold, request: Request, service: Service, caller: Caller, now: Now, idempotency_key: Key = None
) -> Response:
    """Store what one source observed, all of it or nothing. The same body twice changes nothing.

    Unknown ends of edges become placeholders, an edge from a service to itself is left out with a warning,
    and every circular dependency through an edge of the body is listed.
    """
    batch = told.as_batch()
    async with service.transaction() as graph:

        async def work() -> dict[str, Any]:
            return _answer(told, await ingest(batch, graph, now))

        if idempotency_key is None:
            return JSONResponse(await work(), 202)
        digest = sha256(await request.body()).digest()
        repeatable = Repeatable(caller.key_id, idempotency_key, digest)
        answer, replayed = await answer_once(repeatable, graph.answers, work)
    return JSONResponse(answer, 202, headers={"Idempotency-Replayed": "true"} if replayed else None)


def _answer(told: BatchTold, done: Ingested) -> dict[str, Any]:
    answer = IngestAnswer(
        ingestion_id=done.ingestion_id,
        status="completed",
        nodes_received=len(told.nodes),
        edges_received=len(told.edges),
        nodes_upserted=done.nodes_upserted,
        edges_upserted=done.edges_upserted,
        generation=done.generation,
        circular_dependencies_detected=[
            CycleAnswer(cycle_path=list(found.alert.cycle), alert_id=found.alert.alert_id, new=found.new)
            for found in done.cycles
        ],
        conflicts_resolved=[
            ConflictAnswer(
                edge=EndsAnswer(source=found.pair[0], target=found.pair[1]),
                existing_source=found.existing_source,
                new_source=found.new_source,
                resolution="kept_higher_priority",
                kept=found.kept,
            )
            for found in done.conflicts
        ],
        warnings=list(done.warnings),
        estimated_completion_seconds=None,
    )
    return answer.model_dump(mode="json")
