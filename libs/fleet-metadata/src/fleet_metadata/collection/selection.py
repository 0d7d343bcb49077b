from dataclasses import dataclass

from fleet_metadata.collector import Collector
from fleet_metadata.key import Key


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys are asked for: those that meet every condition that is set."""

    prefix: str | None = None
    names: frozenset[str] | None = None
    list_only: bool = False

    def takes(self, key: Key) -> bool:
        return (
            (self.prefix is None or key.name.startswith(self.prefix))
            and (self.names is None or key.name in self.names)
            and (key.in_list or not self.list_only)
        )

    def concerns(self, collector: Collector) -> bool:
        """Whether `collector` has to be asked; one that tells no keys is not left out of the whole."""
        return self == EVERYTHING or any(self.takes(key) for key in collector.keys)


EVERYTHING = Selection()
