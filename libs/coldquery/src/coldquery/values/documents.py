"""json and jsonb as JSON values, where nothing is lost by that."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from coldquery.values.numbers import EXACT
from coldquery.values.raw import Json, Jsonb

_SURE_DIGITS: Final = 15  # so many a float always holds
_SURE_WHOLE: Final = 17  # 2^53 has 16, and a sign
_MANY_DIGITS: Final = re.compile(r"[0-9.]{16}")
_MAX_DEPTH: Final = (
    100  # what writes and reads JSON gives up at 200 to 255, and this is inside of other things
)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


class _Loses(Exception):
    """As a JSON value it would be another document."""


def document(value: Json) -> Any:
    """The JSON value; a number that a float cannot hold as text.

    The text of the whole document if a key is in an object twice, it is nested deeper than 100, or it has half
    of a surrogate pair: so it goes back in as it is.
    """
    text = str(value)
    if _too_deep(text):
        return text
    try:
        found = _CAREFUL.decode(text)
    except _Loses:
        return text
    return text if _SURROGATE.search(text) and not _encodable(found) else found


def binary_document(value: Jsonb) -> Any:
    """As `document`, and quicker, as there is less to look out for."""
    if _too_deep(value):
        return str(value)
    return (_CAREFUL if _MANY_DIGITS.search(value) else _PLAIN).decode(value)


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return False
    return max(_depths(_STRINGS.sub("", text)), default=0) > _MAX_DEPTH


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        yield depth


def _encodable(found: Any) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> int | float | str:
    value = int(text) if len(text) <= _SURE_WHOLE else EXACT + 1
    return value if abs(value) <= EXACT else _fraction(text)


def _fraction(text: str) -> float | str:
    value = float(text)
    if len(text) <= _SURE_DIGITS and "e" not in text and "E" not in text:
        return value
    return value if Decimal(repr(value)) == Decimal(text) else text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Loses
    return found


_PLAIN: Final = json.JSONDecoder()
_CAREFUL: Final = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, object_pairs_hook=_once)
