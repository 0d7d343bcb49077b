from dataclasses import dataclass
from typing import Any

from coldquery.errors import Refused
from coldquery.limits import Limits
from coldquery.values.size import json_size


def rows_asked(limits: Limits, max_rows: int | None) -> int:
    """How many rows an answer may have; raises Refused for what it cannot."""
    if max_rows is None:
        return limits.max_rows
    if not 1 <= max_rows <= limits.max_rows:
        raise Refused(
            f"max_rows is {max_rows}, and can be 1 to {limits.max_rows}. "
            "To read more than that, call read again with the cursor of its answer."
        )
    return max_rows


@dataclass(slots=True)
class Room:
    """What still fits into an answer: `rows` more, of `bytes` as JSON together."""

    rows: int
    bytes: int
    is_empty: bool = True

    def take(self, row: list[Any]) -> bool:
        """Whether the row fits, and then it counts; the very first does however long it is."""
        # With the comma and the space after it.
        size = json_size(row) + 2
        if self.rows < 1 or (size > self.bytes and not self.is_empty):
            return False
        self.rows -= 1
        self.bytes -= size
        self.is_empty = False
        return True
