from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from toolhive_client.reading.harmless_text import is_name

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
_NAMES_TOLD = 10


class Strange(ValueError):
    """It is no answer of ToolHive's; what it is instead is not told, as it may hold a secret."""


class Unreadable(NamedTuple):
    """An item that cannot be read: its position in its list or page, from 0, and its name, if that can be."""

    position: int
    name: str | None


def name_in(item: Any) -> str | None:
    """The name of an item that cannot be read, if at least that can be."""
    match item:
        case {"name": str(name)} if is_name(name):
            return name
        case _:
            return None


def log_unreadable(what: str, items: Sequence[Unreadable]) -> None:
    """One line for all items that could not be read, where there are any: names and positions, and no more."""
    if items:
        told = items[:_NAMES_TOLD]
        _log.warning(
            "toolhive_items_unreadable",
            what=what,
            number=len(items),
            names=[item.name for item in told],
            positions=[item.position for item in told],
        )
