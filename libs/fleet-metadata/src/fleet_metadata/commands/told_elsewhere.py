from collections.abc import Mapping
from typing import Any

from fleet_metadata.agents.workspace_metadata import Entry, WorkspaceMetadata
from fleet_metadata.collection.cleaning import Cleaning, TooLarge


def cleaned(metadata: WorkspaceMetadata, cleaning: Cleaning) -> WorkspaceMetadata:
    """What a server told, as if it were told here: it is written to a terminal.

    What is far too large, or nested far too deep, is left out, and its key named as truncated.
    """
    data: dict[str, Entry] = {}
    left_out: list[str] = []
    for key, entry in metadata.data.items():
        name = cleaning.text(key)
        try:
            data[name] = Entry(cleaning.value(entry.value), cleaning.value(entry.schema))
        except (TooLarge, RecursionError):
            left_out.append(name)
    meta = {cleaning.text(name): told for name, told in _members(metadata.meta, cleaning).items()}
    return WorkspaceMetadata(data, meta | {"truncated": [*_list(meta.get("truncated")), *left_out]})


def _members(meta: Mapping[str, Any], cleaning: Cleaning) -> Mapping[str, Any]:
    # One by one, as there may be more of them than a single value may hold.
    return {
        name: _items(told, cleaning) if isinstance(told, list) else _item(told, cleaning)
        for name, told in meta.items()
    }


def _items(told: list[Any], cleaning: Cleaning) -> list[Any]:
    return [_item(item, cleaning) for item in told]


def _item(told: Any, cleaning: Cleaning) -> Any:
    try:
        return cleaning.value(told)
    except (TooLarge, RecursionError):
        return None


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else []
