from collections.abc import Awaitable
from typing import TypeVar

from fleet_metadata.collectors.forges.api_server import Refused

T = TypeVar("T")


class Warned:
    """Collects why some values are not told; the rest is told all the same."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    async def unless_refused(self, key: str, value: Awaitable[T]) -> T | None:
        """The value of `key`, or None with a warning where the server will not tell it."""
        try:
            return await value
        except Refused as refused:
            self.warnings.append(f"{key} is not known: {refused}")
            return None
