from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from fleet_metadata.collection.cleaning import Cleaning
from fleet_metadata.collection.entries import as_json, as_object, entries_of
from fleet_metadata.collection.selection import Selection
from fleet_metadata.collection.sizes import within
from fleet_metadata.collection.taken import Taken
from fleet_metadata.collector import Collector

_VERSION = "1.0"
_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for, as JSON: `{"data": {key: {"value", "schema"}}, "meta": {...}}`.

    `etag` is of the data alone. `entries` are the members of the data, as JSON, `values` their values; `states`
    and `truncated` are those of the meta.
    """

    body: bytes
    etag: str
    entries: Mapping[str, bytes]
    values: Mapping[str, Any]
    states: Sequence[Mapping[str, Any]]
    truncated: Sequence[str]

    def state(self, collector: str) -> Mapping[str, Any]:
        """What `meta.collectors` has of that collector."""
        return next(state for state in self.states if state["name"] == collector)


@dataclass(slots=True)
class AnswerBuilder:
    """Puts together what the collectors told; call `add` for each, then `build`."""

    selection: Selection
    cleaning: Cleaning
    limit_bytes: int
    _data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _values: dict[str, Any] = field(default_factory=dict[str, Any])
    _collectors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _truncated: list[str] = field(default_factory=list[str])

    def add(self, collector: Collector, taken: Taken) -> None:
        """What `collector` told, of which the keys that were asked for become entries."""
        errors = [taken.error] if taken.error else []
        if taken.values is not None:
            entries = entries_of(collector.keys, taken.values, self.cleaning, self.selection.takes)
            self._data |= entries.data
            self._values |= entries.values
            self._truncated += entries.truncated
            errors += entries.faults
        self._collectors.append(self._told(collector, taken, "; ".join(errors)))

    def build(self) -> Answer:
        """The answer, in which the last entries give way where it would be too large."""
        states = self._collectors
        # How it stands with each is told in any case: some hundred bytes for each.
        if len(_body(b"{}", states, [])) > self.limit_bytes:
            states = [{name: told for name, told in state.items() if name != "error"} for state in states]
        room = self.limit_bytes - len(_body(b"{}", states, []))
        fitting, truncated = within(self._data, self._truncated, max(0, room))
        data = as_object(fitting)
        values = {name: self._values[name] for name in fitting}
        return Answer(_body(data, states, truncated), etag_of(data), fitting, values, states, truncated)

    def _told(self, collector: Collector, taken: Taken, error: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "name": collector.name,
            "status": taken.status.value,
            "duration_ms": round(taken.duration_seconds * 1000, 1),
            "age_seconds": None if taken.age_seconds is None else round(taken.age_seconds, 1),
        }
        return told | ({"error": self.cleaning.text(error)[:_ERROR_CHARACTERS]} if error else {})


def _body(data: bytes, states: Sequence[Mapping[str, Any]], truncated: Sequence[str]) -> bytes:
    meta = {
        "version": _VERSION,
        "collected_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "collectors": states,
        "truncated": truncated,
    }
    return b'{"data":' + data + b',"meta":' + as_json(meta) + b"}"


def etag_of(data: bytes) -> str:
    """A strong validator (RFC 9110) of these bytes."""
    return f'"{blake2b(data, digest_size=12).hexdigest()}"'


def is_known(etag: str, if_none_match: Sequence[str]) -> bool:
    """Whether a client that sent these `If-None-Match` lines has what `etag` is of."""
    tags = {tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")}
    return etag in tags or "*" in tags
