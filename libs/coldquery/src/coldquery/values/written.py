"""Values as PostgreSQL writes them in the text of ranges, where they are quoted by its rules."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from asyncpg import Record
from asyncpg.pgproto.pgproto import UUID
from asyncpg.types import BitString, Box, Circle, Line, LineSegment, Path, Point, Polygon, Range

from coldquery.values import geometry, moments
from coldquery.values.interval import interval_text
from coldquery.values.numbers import float_text, numeric_text
from coldquery.values.raw import Bytea, Date, Interval, Json, Jsonb, Time, Timestamp, TimestampTz, TimeTz

_BEYOND_ASCII: Final = 0x80
_QUOTED_IN_RANGE: Final = re.compile(r'["\\()\[\], \t\n\r\v\f]|\A\Z')
_QUOTED_IN_RECORD: Final = re.compile(r'["\\(), \t\n\r\v\f]|\A\Z')
_QUOTED_IN_ARRAY: Final = re.compile(r'["\\{}, \t\n\r\v\f]|\A\Z|\Anull\Z', re.IGNORECASE)


def range_text(value: Range[Any]) -> str:
    """`[1,10)`, `empty`, `["2026-01-01 00:00:00+00",)`."""
    if value.isempty:
        return "empty"
    start, end = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
    return f"{start}{_bound(value.lower)},{_bound(value.upper)}{end}"


def bits_text(value: BitString) -> str:
    """`10110`."""
    bits = int.from_bytes(value.bytes)
    return f"{bits:0{len(value.bytes) * 8}b}"[: len(value)]


def char_text(value: bytes) -> str:
    """A byte beyond ASCII as a backslash and its octal number, zero as the empty text."""
    byte = value[0]
    if byte == 0:
        return ""
    return chr(byte) if byte < _BEYOND_ASCII else f"\\{byte:03o}"


def written(value: Any) -> str:
    """The text that PostgreSQL writes for `value`, intervals in ISO 8601, moments in UTC."""
    return _WRITTEN[type(value)](value)


def _bound(value: Any) -> str:
    return "" if value is None else _doubling(written(value), _QUOTED_IN_RANGE)


def _array_text(value: list[Any]) -> str:
    return "{" + ",".join(map(_element, value)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = written(value)
    if isinstance(value, list) or not _QUOTED_IN_ARRAY.search(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _record_text(value: Record | tuple[Any, ...]) -> str:
    return "(" + ",".join(map(_field, value)) + ")"


def _field(value: Any) -> str:
    return "" if value is None else _doubling(written(value), _QUOTED_IN_RECORD)


def _doubling(text: str, quoted: re.Pattern[str]) -> str:
    return '"' + re.sub(r'(["\\])', r"\1\1", text) + '"' if quoted.search(text) else text


def _timestamp(value: Timestamp) -> str:
    return moments.timestamp_text(value, " ")


def _timestamptz(value: TimestampTz) -> str:
    return moments.timestamp_text(value, " ", "+00")


def _bytea(value: Bytea) -> str:
    return f"\\x{value.hex()}"


def _bool(value: bool) -> str:
    return "t" if value else "f"


_WRITTEN: Final[dict[type, Callable[[Any], str]]] = {
    bool: _bool,
    int: str,
    float: float_text,
    str: str,
    bytes: char_text,
    Bytea: _bytea,
    Decimal: numeric_text,
    UUID: str,
    Date: moments.date_text,
    Time: moments.time_text,
    TimeTz: moments.timetz_text,
    Timestamp: _timestamp,
    TimestampTz: _timestamptz,
    Interval: interval_text,
    Json: str,
    Jsonb: str,
    BitString: bits_text,
    Point: geometry.point_text,
    Line: geometry.line_text,
    LineSegment: geometry.segment_text,
    Box: geometry.box_text,
    Path: geometry.path_text,
    Polygon: geometry.path_text,
    Circle: geometry.circle_text,
    Range: range_text,
    list: _array_text,
    tuple: _record_text,
    Record: _record_text,
}
