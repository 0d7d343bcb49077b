"""Services: the nodes of the graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from dependency_graph.domain.errors import InvalidServiceId

LONGEST_ID = 255

_JOINERS = {0x200C: None, 0x200D: None}
"""Invisible, and yet part of how Persian and the scripts of India are written."""


class Criticality(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ServiceType(StrEnum):
    """What a service is; external is what is not ours to run."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    DATABASE = "database"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Service:
    """A service. `discovered` marks a placeholder: seen at an end of an edge, registered by nobody."""

    service_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    team: str | None = None
    criticality: Criticality = Criticality.MEDIUM
    service_type: ServiceType = ServiceType.INTERNAL
    discovered: bool = False

    @classmethod
    def placeholder(cls, service_id: str, service_type: ServiceType = ServiceType.INTERNAL) -> Self:
        return cls(service_id, service_type=service_type, discovered=True)

    @classmethod
    def registered(cls, service_id: str, metadata: Mapping[str, Any]) -> Self:
        """A service as its owner describes it.

        `team`, `criticality` and `service_type` are taken from `metadata`, whose values must be valid;
        where they are absent or null the defaults hold.
        """
        return cls(
            service_id,
            metadata,
            metadata.get("team"),
            Criticality(metadata.get("criticality") or Criticality.MEDIUM),
            ServiceType(metadata.get("service_type") or ServiceType.INTERNAL),
        )

    def with_metadata(self, metadata: Mapping[str, Any]) -> Self:
        return replace(self, metadata=metadata)

    def claimed(self) -> Self:
        """The same service, no placeholder any more."""
        return replace(self, discovered=False)


def check_service_id(text: str) -> str:
    """`text` itself, if it can be the id of a service.

    Names seen in traces hold spaces, `+`, `/`, `:` and letters of any script: all printable characters
    are allowed, 1 to 255 of them, with no space at either end. Raises InvalidServiceId.
    """
    visible = text.translate(_JOINERS)
    if not visible:
        raise InvalidServiceId("a service id must not be empty")
    if len(text) > LONGEST_ID:
        raise InvalidServiceId(f"a service id has at most {LONGEST_ID} characters, this one has {len(text)}")
    if not visible.isprintable():
        odd = next(character for character in visible if not character.isprintable())
        raise InvalidServiceId(f"a service id has printable characters only, not U+{ord(odd):04X}")
    if text != text.strip():
        raise InvalidServiceId("a service id must not start or end with a space")
    return text
