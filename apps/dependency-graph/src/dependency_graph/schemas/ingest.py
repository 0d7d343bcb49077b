"""How an ingest is answered."""

from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel

from dependency_graph.application.cycle_watch import DetectedCycle
from dependency_graph.application.ingest import Ingested
from dependency_graph.domain.dependency import Conflict


class EndsAnswer(BaseModel):
    source: str
    target: str


class CycleAnswer(BaseModel):
    """A circular dependency through an edge of the body; `new` if it was never seen before."""

    cycle_path: list[str]
    alert_id: UUID
    new: bool

    @classmethod
    def of(cls, found: DetectedCycle) -> Self:
        return cls(cycle_path=list(found.alert.cycle), alert_id=found.alert.alert_id, new=found.new)


class ConflictAnswer(BaseModel):
    """Two sources that describe an edge differently; `kept` is the one whose attributes stand."""

    edge: EndsAnswer
    existing_source: str
    new_source: str
    resolution: Literal["kept_higher_priority"]
    kept: str

    @classmethod
    def of(cls, found: Conflict) -> Self:
        return cls(
            edge=EndsAnswer(source=found.pair[0], target=found.pair[1]),
            existing_source=found.existing_source,
            new_source=found.new_source,
            resolution="kept_higher_priority",
            kept=found.kept,
        )


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

    @classmethod
    def of(cls, nodes_received: int, edges_received: int, done: Ingested) -> Self:
        return cls(
            ingestion_id=done.ingestion_id,
            status="completed",
            nodes_received=nodes_received,
            edges_received=edges_received,
            nodes_upserted=done.nodes_upserted,
            edges_upserted=done.edges_upserted,
            generation=done.generation,
            circular_dependencies_detected=[CycleAnswer.of(found) for found in done.cycles],
            conflicts_resolved=[ConflictAnswer.of(found) for found in done.conflicts],
            warnings=list(done.warnings),
            estimated_completion_seconds=None,
        )
