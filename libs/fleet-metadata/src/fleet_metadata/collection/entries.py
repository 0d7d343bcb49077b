"""The limits: what a value, a key and a whole answer may measure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from fleet_metadata.collection.cleaning import CLEANED_CHARACTERS, Cleaning, TooLarge
from fleet_metadata.key import Key, ValueType

NAME_CHARACTERS = 256
DESCRIPTION_CHARACTERS = 256
VALUE_BYTES = 4096
_LONGEST_OF_A_CHARACTER = 6  # \u001f


@dataclass(slots=True)
class Entries:
    """The data of an answer as JSON, entry by entry, and what had to be cut or left out."""

    data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    truncated: list[str] = field(default_factory=list[str])
    faults: list[str] = field(default_factory=list[str])


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def as_json(value: object) -> bytes:
    """Compact JSON in UTF-8, in which what is no character is a question mark.

    Raises ValueError, TypeError or RecursionError for what has no JSON.
    """
    return _encode(value).encode(errors="replace")


def as_object(members: Mapping[str, bytes]) -> bytes:
    """A JSON object of `members`, which are JSON already."""
    return b"{" + b",".join(as_json(name) + b":" + value for name, value in members.items()) + b"}"


def entries_of(
    keys: Sequence[Key], values: Mapping[str, Any], cleaning: Cleaning, asked: Callable[[Key], bool]
) -> Entries:
    """An entry for each of `keys` that was `asked` for, cleaned and within the limits.

    `truncated` names what was cut or left out for its size, `faults` say what is not as its key has it.
    """
    entries = Entries()
    for key in filter(asked, keys):
        if len(key.name) > NAME_CHARACTERS:
            entries.truncated.append(f"{key.name[: NAME_CHARACTERS - 3]}...")
        elif key.name in values:
            _add(entries, key, values[key.name], cleaning)
        else:
            entries.faults.append(f"{key.name}: the collector told no value")
    known = {key.name for key in keys}
    entries.faults += [f"{_named(name)}: no key of this collector" for name in values if name not in known]
    return entries


def _add(entries: Entries, key: Key, raw: object, cleaning: Cleaning) -> None:
    try:
        value, told, is_whole = _fitting(key, raw, cleaning)
        fault = key.fault(value)
    except TooLarge:
        entries.truncated.append(key.name)
        return
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        value, told, is_whole, fault = None, b"", True, f"not JSON: {error}"
    if fault:
        entries.faults.append(f"{key.name}: {fault}")
        return
    if not is_whole or len(key.description) > DESCRIPTION_CHARACTERS:
        entries.truncated.append(key.name)
    entries.values[key.name] = value
    entries.data[key.name] = b'{"value":%b,"schema":%b}' % (told, _schema(key, cleaning))


@lru_cache(maxsize=1000)
def _schema(key: Key, cleaning: Cleaning) -> bytes:
    return as_json(replace(key, description=cleaning.text(key.description)[:DESCRIPTION_CHARACTERS]).schema())


def _fitting(key: Key, raw: Any, cleaning: Cleaning) -> tuple[Any, bytes, bool]:
    """As much of a text's beginning, or of a list's first items, as may be told, its JSON, and whether it is all.

    Raises TooLarge for what cannot be cut.
    """
    match key.type, raw:
        case ValueType.STRING, str():
            text = cleaning.text(raw)
            value = _beginning(text)
            return value, as_json(value), value is text and len(raw) <= CLEANED_CHARACTERS
        case ValueType.ARRAY, list() | tuple():
            items = _first_items(raw, cleaning)
            return items, as_json(items), len(items) == len(raw)
        case _:
            value = cleaning.value(raw)
            if len(told := as_json(value)) > VALUE_BYTES:
                raise TooLarge
            return value, told, True


def _beginning(text: str) -> str:
    if len(text) * _LONGEST_OF_A_CHARACTER <= VALUE_BYTES or len(as_json(text)) <= VALUE_BYTES:
        return text
    low, high = 0, VALUE_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(as_json(text[:middle])) <= VALUE_BYTES else (low, middle - 1)
    return text[:low]


def _first_items(raw: Sequence[Any], cleaning: Cleaning) -> list[Any]:
    items, size = list[Any](), 1
    for item in raw:
        try:
            value = cleaning.value(item)
        except TooLarge:
            break
        # Behind it is a comma, or the bracket.
        size += len(as_json(value)) + 1
        if size > VALUE_BYTES:
            break
        items.append(value)
    return items


def _named(name: object) -> str:
    return name[:NAME_CHARACTERS] if isinstance(name, str) else f"a {type(name).__name__}"
