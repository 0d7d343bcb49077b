"""What PostgreSQL sent, as JSON that loses nothing of it."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from asyncpg import Record
from asyncpg.pgproto.pgproto import UUID
from asyncpg.types import (
    Attribute,
    BitString,
    Box,
    Circle,
    Line,
    LineSegment,
    Path,
    Point,
    Polygon,
    Range,
    Type,
)
from typing_extensions import TypedDict

from coldquery.errors import Refused
from coldquery.values import geometry, moments
from coldquery.values.documents import binary_document, document
from coldquery.values.interval import interval_text
from coldquery.values.numbers import floating, numeric_text, whole
from coldquery.values.raw import Bytea, Date, Interval, Json, Jsonb, Time, Timestamp, TimestampTz, TimeTz
from coldquery.values.unreadable import CAST, ONLY_AS_TEXT
from coldquery.values.written import bits_text, char_text, range_text

_CATALOGUE: Final = "pg_catalog"
# What asyncpg calls otherwise than PostgreSQL does.
_RENAMED: Final = {
    "_text": "text[]",
    "_oid": "oid[]",
    "int2vector[]": "int2vector",
    "oidvector[]": "oidvector",
}
_AS_IT_IS: Final = frozenset({
    "bool", "int2", "int4", "oid", "xid", "cid", "text", "varchar", "bpchar", "name", "xml", "refcursor",
    "macaddr", "macaddr8", "inet", "cidr", "pg_lsn", "tid", "pg_snapshot", "txid_snapshot",
})  # fmt: skip


class Column(TypedDict):
    """A column of a result; `type` with its schema where that is not pg_catalog, an array's with `[]`."""

    name: str
    type: str


def columns_of(attributes: Iterable[Attribute]) -> list[Column]:
    """The columns of a prepared statement's `get_attributes()`; of a domain it is the type below."""
    return [Column(name=attribute.name, type=type_name(attribute.type)) for attribute in attributes]


def type_name(type_: Type) -> str:
    """`int4`, `text[]`, `shop.mood`."""
    name = _RENAMED.get(type_.name, type_.name)
    return name if type_.schema == _CATALOGUE else f"{type_.schema}.{name}"


def row_converter(attributes: Sequence[Attribute]) -> Callable[[Record], list[Any]]:
    """From a record with these attributes to a list of JSON values: no NaN, no infinity, no bytes.

    Raises Refused where an anonymous record has a value that only its text can tell.
    """
    converters = [
        (index, converter) for index, converter in enumerate(map(_converter, attributes)) if converter
    ]
    if not converters:
        return list

    def convert(record: Record) -> list[Any]:
        row = list(record)
        for index, converter in converters:
            value = row[index]
            if value is not None:
                row[index] = converter(value)
        return row

    return convert


def json_value(value: Any) -> Any:
    """`value`, of any type that a column may have, as JSON."""
    if value is None:
        return None
    return _JSON[type(value)](value)


def _converter(attribute: Attribute) -> Callable[[Any], Any] | None:
    if type_name(attribute.type).removesuffix("[]") in _AS_IT_IS:
        return None
    return _BY_TYPE.get(attribute.type.oid, json_value)


def _as_it_is(value: Any) -> Any:
    return value


def _list(value: Iterable[Any]) -> list[Any]:
    return [json_value(element) for element in value]


def _object(value: Record) -> dict[str, Any]:
    return {name: json_value(field) for name, field in value.items()}


def _anonymous(value: tuple[Any, ...]) -> list[Any]:
    # Types without a binary codec are read as if their bytes were text; text itself has no NUL.
    if any(isinstance(field, str) and "\0" in field for field in value):
        raise Refused(ONLY_AS_TEXT, hint=CAST)
    return _list(value)


def _bytes(value: bytes) -> str:
    # A "char" is one byte; of the internal types of the catalogue that are left, none is.
    return char_text(value) if len(value) == 1 else _base64(value)


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


_JSON: Final[dict[type, Callable[[Any], Any]]] = {
    bool: _as_it_is,
    str: _as_it_is,
    int: whole,
    float: floating,
    bytes: _bytes,
    Bytea: _base64,
    Decimal: numeric_text,
    UUID: str,
    Date: moments.date_text,
    Time: moments.time_text,
    TimeTz: moments.timetz_text,
    Timestamp: moments.timestamp_text,
    TimestampTz: moments.timestamptz_text,
    Interval: interval_text,
    Json: document,
    Jsonb: binary_document,
    BitString: bits_text,
    Point: geometry.point_text,
    Line: geometry.line_text,
    LineSegment: geometry.segment_text,
    Box: geometry.box_text,
    Path: geometry.path_text,
    Polygon: geometry.path_text,
    Circle: geometry.circle_text,
    Range: range_text,
    list: _list,
    tuple: _anonymous,
    Record: _object,
}
_BY_TYPE: Final[dict[int, Callable[[Any], Any]]] = {
    17: _base64,  # bytea
    20: whole,  # int8
    114: document,  # json
    700: floating,  # float4
    701: floating,  # float8
    1082: moments.date_text,
    1114: moments.timestamp_text,
    1184: moments.timestamptz_text,
    1186: interval_text,
    1700: numeric_text,
    2950: str,  # uuid
    3802: binary_document,  # jsonb
}
