from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How it stands with a collector: `stale` still has the values of an earlier time, `failed` has none."""

    OK = "ok"
    STALE = "stale"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a collector has to tell at one moment; `values` are raw, and None where it tells nothing.

    `duration_seconds` is how long the last collection took, `age_seconds` how long ago the values held.
    """

    status: Status
    values: Mapping[str, Any] | None = None
    duration_seconds: float = 0.0
    age_seconds: float | None = None
    error: str | None = None
