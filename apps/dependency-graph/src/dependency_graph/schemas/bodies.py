"""What clients tell the service, as they write it: in bodies over HTTP, in arguments over MCP."""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)
from pydantic.config import JsonDict

from dependency_graph.application.ingest import Batch, Edge, Node
from dependency_graph.domain.dependency import (
    Attributes,
    CommunicationMode,
    DependencyCriticality,
    DiscoverySource,
)
from dependency_graph.domain.service import LONGEST_ID, Criticality, ServiceType, check_service_id

_LONGEST_TIMEOUT_MS = 2**31 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


INGEST_EXAMPLE: JsonDict = {
    "source": "manual",
    "timestamp": "2026-02-14T10:00:00Z",
    "nodes": [
        {
            "service_id": "checkoutservice",
            "metadata": {"team": "checkout", "criticality": "critical", "tier": 1},
        }
    ],
    "edges": [
        {
            "source": "checkoutservice",
            "target": "paymentservice",
            "attributes": {
                "communication_mode": "sync",
                "criticality": "hard",
                "protocol": "grpc",
                "timeout_ms": 5000,
                "retry_config": {"max_retries": 3, "backoff_strategy": "exponential"},
            },
        }
    ],
}


class Told(BaseModel):
    """A body or a part of one: no unknown fields, no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text must not hold U+0000, which PostgreSQL cannot store")
    return text


def _storable(value: Any) -> Any:
    for text_or_number in _leaves(value):
        if isinstance(text_or_number, str):
            no_nul(text_or_number)
        elif isinstance(text_or_number, float) and not math.isfinite(text_or_number):
            raise ValueError("a number must not be beyond the range of a double")
    return value


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _text_of_instant(value: Any) -> Any:
    # Numbers would be taken for seconds or milliseconds since 1970, whichever seems to fit.
    if not isinstance(value, str) or not re.match(r"\d{4}-", value):
        raise ValueError("an instant is written as in RFC 3339, for example 2026-02-14T10:00:00Z")
    if re.search(r" \d\d:\d\d$", value[11:]):
        raise ValueError(
            "in a query the + of a time zone is written %2B; or write the instant in UTC, with Z"
        )
    return value


def _sane_instant(value: AwareDatetime) -> AwareDatetime:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"an instant lies between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return value


Instant = Annotated[
    AwareDatetime,
    Field(strict=False, examples=["2026-02-14T10:00:00Z"]),
    BeforeValidator(_text_of_instant),
    AfterValidator(_sane_instant),
]
Ident = Annotated[
    str,
    AfterValidator(check_service_id),
    Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^\S(.*\S)?$"}),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(no_nul)]
Notes = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(no_nul)]
Protocol = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(no_nul)]
JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_storable)]


class MetadataTold(BaseModel):
    """Metadata of a service: stored whole; these three are known to the service itself."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, JsonValue]  # pyright: ignore[reportIncompatibleVariableOverride]  # documented use

    team: Name | None = None
    criticality: Annotated[Criticality | None, Field(strict=False)] = None
    service_type: Annotated[ServiceType | None, Field(strict=False)] = None

    def as_told(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


Metadata = Annotated[
    MetadataTold, AfterValidator(lambda told: (_storable(told.model_extra) and told) or told)
]


class NodeTold(Told):
    """A service. Without `metadata`, what is known of it stays."""

    service_id: Ident
    metadata: Metadata | None = None

    def as_node(self) -> Node:
        return Node(self.service_id, self.metadata.as_told() if self.metadata else None)


class AttributesTold(Told):
    communication_mode: Annotated[CommunicationMode, Field(strict=False)] = CommunicationMode.SYNC
    criticality: Annotated[DependencyCriticality, Field(strict=False)] = DependencyCriticality.HARD
    protocol: Protocol | None = None
    timeout_ms: Annotated[int, Field(ge=0, le=_LONGEST_TIMEOUT_MS)] | None = None
    retry_config: JsonObject | None = None

    def as_attributes(self) -> Attributes:
        return Attributes(
            self.communication_mode, self.criticality, self.protocol, self.timeout_ms, self.retry_config
        )


class EdgeTold(Told):
    """`source` depends on `target`."""

    source: Ident
    target: Ident
    attributes: AttributesTold = AttributesTold()

    def as_edge(self) -> Edge:
        return Edge((self.source, self.target), self.attributes.as_attributes())


class BatchTold(Told):
    """What one source observed at one instant."""

    model_config = ConfigDict(json_schema_extra={"examples": [INGEST_EXAMPLE]})

    source: Annotated[DiscoverySource, Field(strict=False)]
    timestamp: Instant
    nodes: list[NodeTold] = Field(default_factory=list[NodeTold])
    edges: list[EdgeTold] = Field(default_factory=list[EdgeTold])

    def as_batch(self) -> Batch:
        return Batch(
            self.source,
            self.timestamp,
            [node.as_node() for node in self.nodes],
            [edge.as_edge() for edge in self.edges],
        )
