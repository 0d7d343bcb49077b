from collections.abc import Sequence
from typing import Any

import structlog

from toolhive_client.reading.harmless_text import is_name

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
_NAMES_TOLD = 10


class Strange(ValueError):
    """It is no answer of ToolHive's; what it is instead is not told, as it may hold a secret."""


def name_in(item: Any) -> str | None:
    """The name of an item that cannot be read, if at least that can be."""
    match item:
        case {"name": str(name)} if is_name(name):
            return name
        case _:
            return None


def log_unreadable(what: str, names: Sequence[str | None]) -> None:
    """One line for all items that could not be read, where there are any; of the items only their names."""
    if names:
        _log.warning("toolhive_items_unreadable", what=what, number=len(names), names=names[:_NAMES_TOLD])
