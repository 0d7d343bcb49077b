import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from math import isfinite
from typing import Any

from fleet_metadata.collector import CollectionFailed, Collector, Reading, RemoteCollector
from fleet_metadata.key import Key
from fleet_metadata.workspace import Workspace

GROUP = "fleet_metadata.collectors"

_log = logging.getLogger(__name__)


class Unusable(Exception):
    """What was made is no collector, or has what another one has already."""


class BrokenCollector:
    """In place of a collector that cannot be used: it fails, and says why."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.prefix = f"{name}_"
        self.keys: Sequence[Key] = ()
        self._why = why

    async def collect(self) -> Reading:
        """Raises CollectionFailed."""
        raise CollectionFailed(self._why)


def installed_collectors(
    workspace: Workspace, entries: Iterable[EntryPoint] | None = None
) -> Sequence[Collector]:
    """All collectors of the entry-point group; one that cannot be used tells that of itself.

    Those of this package come first, so that no other takes their names and keys, then the rest by name.
    """
    found = entry_points(group=GROUP) if entries is None else entries
    collectors = dict[str, Collector]()
    for entry in sorted(found, key=lambda entry: (not entry.value.startswith("fleet_metadata."), entry.name)):
        collector = _made(entry, workspace, list(collectors.values()))
        collectors[collector.name] = collector
    return list(collectors.values())


def _made(entry: EntryPoint, workspace: Workspace, others: Sequence[Collector]) -> Collector:
    try:
        collector = _checked(entry.load()(workspace))
        _check_beside(collector, others)
    # Whatever breaks in it, or ends the process, the others are to be collected.
    except (Exception, SystemExit) as fault:  # noqa: BLE001
        _log.exception("collector cannot be used", extra={"collector": entry.name})
        # The text of any other error may hold what was set, passwords too.
        why = (
            str(fault) if isinstance(fault, Unusable | ImportError | AttributeError) else type(fault).__name__
        )
        name = (
            f"{entry.name} ({entry.value})" if entry.name in (other.name for other in others) else entry.name
        )
        return BrokenCollector(name, f"cannot be used as {entry.value} has it: {why}")
    return collector


def _checked(made: Any) -> Collector:
    if not isinstance(made, Collector):
        raise Unusable("it is no collector, which has name, prefix, keys and collect()")
    if not (isinstance(made.name, str) and isinstance(made.prefix, str) and isinstance(made.keys, Sequence)):  # pyright: ignore[reportUnnecessaryIsInstance]  # a foreign collector may have anything
        raise Unusable("name and prefix have to be texts, and keys a sequence")
    names = set[str]()
    for key in made.keys:
        if not isinstance(key, Key):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            raise Unusable("its keys have to be of the class Key")
        if not key.name.startswith(made.prefix):
            raise Unusable(f"its key {key.name} does not begin with {made.prefix}")
        if key.name in names:
            raise Unusable(f"it has the key {key.name} twice")
        names.add(key.name)
    if isinstance(made, RemoteCollector):
        _check_refreshing(made.refresh_seconds)
    return made


def _check_refreshing(seconds: Any) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (is_number and isfinite(seconds) and seconds > 0):
        raise Unusable("refresh_seconds has to be a number above 0")


def _check_beside(collector: Collector, others: Sequence[Collector]) -> None:
    names = {key.name for key in collector.keys}
    for other in others:
        if other.name == collector.name:
            raise Unusable(f"there is a collector {other.name} already")
        if both := names.intersection(key.name for key in other.keys):
            raise Unusable(f"the collector {other.name} has the key {min(both)} as well")
