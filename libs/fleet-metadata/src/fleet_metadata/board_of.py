from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from pydantic import SecretStr

from fleet_metadata.collection.board import Board
from fleet_metadata.collection.cleaning import Cleaning
from fleet_metadata.collector import Collector
from fleet_metadata.installed import GROUP, installed_collectors
from fleet_metadata.settings import Settings
from fleet_metadata.workspace import Workspace


class UnknownCollector(Exception):
    """METADATA_DISABLED_COLLECTORS names a collector that there is not."""


def board_of(settings: Settings, key: str | None = None) -> Board:
    """The installed collectors, on the workspace of `settings`; raises UnknownCollector.

    With a `key` no more of them are loaded than those that tell it, as far as the names of their entries say so.
    """
    disabled = settings.metadata_disabled_collectors
    collectors = _known(settings, key, entry_points(group=GROUP))
    limit = int(settings.metadata_size_limit_mb * 1024 * 1024)
    return Board(collectors, disabled=disabled, cleaning=cleaning_of(settings), limit_bytes=limit)


def collectors_of(settings: Settings) -> Sequence[Collector]:
    """The installed collectors that are not disabled; raises UnknownCollector."""
    collectors = _known(settings, None, entry_points(group=GROUP))
    return [
        collector for collector in collectors if collector.name not in settings.metadata_disabled_collectors
    ]


def cleaning_of(settings: Settings) -> Cleaning:
    """What takes every secret of `settings` out of what is told."""
    secrets = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    return Cleaning(secrets)


def _known(settings: Settings, key: str | None, entries: Iterable[EntryPoint]) -> Sequence[Collector]:
    found, disabled = list(entries), settings.metadata_disabled_collectors
    collectors = installed_collectors(Workspace(settings), _telling(key, found, disabled))
    known = {entry.name for entry in found} | {collector.name for collector in collectors}
    if unknown := [name for name in disabled if name not in known]:
        raise UnknownCollector(
            f"METADATA_DISABLED_COLLECTORS: there is no collector {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return collectors


def _telling(key: str | None, found: Sequence[EntryPoint], disabled: Sequence[str]) -> Sequence[EntryPoint]:
    likely = [entry for entry in found if key and key.startswith(f"{entry.name}_")]
    # A collector may have another name than its entry, and one has to load it to know that.
    return likely if likely and {entry.name for entry in found}.issuperset(disabled) else found
