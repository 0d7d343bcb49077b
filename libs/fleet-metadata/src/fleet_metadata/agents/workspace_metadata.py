"""The answer of `GET /metadata` as a client has it; it comes from somebody else, and so is taken as it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class NotMetadata(Exception):
    """What was answered is no metadata of a workspace; the text says why not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, and what its key is: `{"type", "description", "includeInList", ...}`."""

    value: Any
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CollectorState:
    """How it stands with a collector: ok, stale, failed, not_applicable, disabled, or what else it says."""

    name: str
    status: str
    error: str | None = None
    age_seconds: float | None = None
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class WorkspaceMetadata:
    """What a workspace told of itself, key by key; texts are as it told them.

    `unchanged` is set where it said only that the data is as it was when it was asked before: `meta`, with the
    states of its collectors, is of that time then.
    """

    data: Mapping[str, Entry]
    meta: Mapping[str, Any]
    unchanged: bool = False

    @property
    def values(self) -> Mapping[str, Any]:
        return {name: entry.value for name, entry in self.data.items()}

    @property
    def collectors(self) -> Sequence[CollectorState]:
        told = self.meta.get("collectors")
        return [_state(item) for item in _objects(told) if isinstance(item.get("name"), str)]

    @property
    def truncated(self) -> Sequence[str]:
        """The keys that are cut, or left out of the data, as they are too large."""
        told = self.meta.get("truncated")
        return [name for name in told if isinstance(name, str)] if isinstance(told, list) else []

    @property
    def document(self) -> Mapping[str, Any]:
        """As it was answered: `{"data": {key: {"value", "schema"}}, "meta": {...}}`."""
        data = {name: {"value": entry.value, "schema": entry.schema} for name, entry in self.data.items()}
        return {"data": data, "meta": self.meta}


def metadata_in(body: bytes) -> WorkspaceMetadata:
    """What is told in `body`, the JSON of an answer; raises NotMetadata.

    What is not known is passed by: entries without a value, a schema or a meta that is no object.
    """
    try:
        document: Any = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotMetadata("it is not JSON") from None
    return metadata_of(document)


def _refuse(constant: str) -> None:
    # NaN, which Python would take for a number.
    raise ValueError(constant)


def metadata_of(document: Any) -> WorkspaceMetadata:
    """As `metadata_in`, of what the JSON says."""
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise NotMetadata('it has no object "data"')
    entries = {
        name: Entry(entry["value"], _object(entry.get("schema")))
        for name, entry in data.items()
        if isinstance(entry, dict) and "value" in entry
    }
    return WorkspaceMetadata(entries, _object(document.get("meta")))


def _object(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _objects(told: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []


def _state(told: Mapping[str, Any]) -> CollectorState:
    error = told.get("error")
    return CollectorState(
        name=told["name"],
        status=str(told.get("status", "")),
        error=error if isinstance(error, str) and error else None,
        age_seconds=_number(told.get("age_seconds")),
        duration_ms=_number(told.get("duration_ms")),
    )


def _number(told: Any) -> float | None:
    return told if isinstance(told, int | float) and not isinstance(told, bool) else None
