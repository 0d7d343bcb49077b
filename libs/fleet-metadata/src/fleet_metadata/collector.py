"""What a collector is: the one thing that another package needs to add its own."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fleet_metadata.key import Key


class NotApplicable(Exception):
    """There is nothing here to collect from, and that is no fault: no repository, no GitHub remote."""


class CollectionFailed(Exception):
    """What was to be collected could not be read; the text is shown to clients and says what to do.

    A remote collector is not asked again for `retry_in` seconds, where that is given.
    """

    def __init__(self, why: str, retry_in: float | None = None) -> None:
        super().__init__(why)
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Reading:
    """What was collected: a value for every key, None where there is none; and what could not be told."""

    values: Mapping[str, Any]
    warnings: Sequence[str] = ()


@runtime_checkable
class Collector(Protocol):
    """Tells some keys of a workspace from what is on this machine.

    Found by the entry-point group `fleet_metadata.collectors`: the entry names a class that takes a
    `Workspace`. Each request collects again, concurrent ones share a collection, and one that takes longer
    than two seconds is cancelled. A collector with a `close()` has it awaited at the end.
    """

    @property
    def name(self) -> str: ...

    @property
    def prefix(self) -> str:
        """What the names of all its keys begin with: `git_`."""
        ...

    @property
    def keys(self) -> Sequence[Key]:
        """All keys that it can tell."""
        ...

    async def collect(self) -> Reading:
        """What holds now. Raises NotApplicable or CollectionFailed; blocks nothing, and ends when cancelled."""
        ...


@runtime_checkable
class RemoteCollector(Collector, Protocol):
    """A collector that asks somebody over a network, so in the background; answers are from the last time."""

    @property
    def refresh_seconds(self) -> float:
        """The least time between two collections."""
        ...

    async def subject(self) -> Hashable:
        """What the keys are told of, as far as this machine knows: the repository and the branch, say.

        When it is no longer what it was, all that was collected is forgotten. Raises as `collect`.
        """
        ...


@runtime_checkable
class Closing(Protocol):
    async def close(self) -> None: ...
