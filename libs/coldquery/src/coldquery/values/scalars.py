"""What a parameter of a scalar type takes: as asyncpg wants it, or as text for PostgreSQL to read.

Each function raises WrongType.
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from coldquery.values.literals import bytes_of, document_text, json_text, scalar_text
from coldquery.values.numbers import EXACT
from coldquery.values.raw import Json
from coldquery.values.text_form import TextForm, WrongType

_DECIMAL: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_MOST_DIGITS: Final = 16_000  # of far more the driver sends others, and says nothing
_UUID: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def builtin(type_name: str, value: Any) -> Any:
    """`value` for a scalar type of pg_catalog."""
    return _TAKES.get(type_name, _other)(value)


def foreign(value: Any) -> TextForm:
    """`value` for an enum or a type of an extension, some of which (vector) write lists as JSON does."""
    if isinstance(value, dict):
        raise WrongType("a string")
    return TextForm(scalar_text(value))


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _read(value, str, "true or false")


def _integer(bits: int, *, signed: bool = True) -> Callable[[Any], Any]:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def take(value: Any) -> Any:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        # PostgreSQL says what is wrong with one that does not fit.
        return value if fits else _read(value, int | str, "a whole number, beyond 2^53 as a string")

    return take


def _single(value: Any) -> Any:
    return _read(value, int | float | str, "a number")


def _double(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= EXACT:
        return float(value)
    return _read(value, int | float | str, "a number")


def _numeric(value: Any) -> Any:
    form = _read(value, int | float | str, "a number, or a string of its digits")
    plain = len(form.text) <= _MOST_DIGITS and _DECIMAL.fullmatch(form.text)
    return Decimal(form.text) if plain else form


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise WrongType("a string")
    return value


def _uuid(value: Any) -> Any:
    return value if isinstance(value, str) and _UUID.fullmatch(value) else _read(value, str, "a string")


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        raise WrongType("a string of base64")
    return bytes_of(value)


def _document(value: Any) -> Any:
    # Whether a string is JSON, PostgreSQL says; of what was JSON already there is no doubt.
    return TextForm(document_text(value)) if isinstance(value, str) else Json(json_text(value))


def _other(value: Any) -> TextForm:
    return _read(value, int | float | str, "a string")


def _read(value: Any, types: Any, wanted: str) -> TextForm:
    if isinstance(value, bool) or not isinstance(value, types):
        raise WrongType(wanted)
    return TextForm(scalar_text(value))


_TAKES: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": _boolean,
    "int2": _integer(16),
    "int4": _integer(32),
    "int8": _integer(64),
    "oid": _integer(32, signed=False),
    "xid": _integer(32, signed=False),
    "cid": _integer(32, signed=False),
    "float4": _single,
    "float8": _double,
    "numeric": _numeric,
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "xml", "unknown", "cstring", "refcursor"), _text),
    "uuid": _uuid,
    "bytea": _bytes,
    "json": _document,
    "jsonb": _document,
}
