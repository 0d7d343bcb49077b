"""JSON as the text that PostgreSQL reads."""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from coldquery.values.text_form import WrongType

_DELIMITERS: Final = {"box[]": ";"}  # every other type has a comma


def scalar_text(value: Any) -> str:
    """A string as it is; a boolean or a number as JSON writes it."""
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:
    """`value` as JSON; raises ValueError for NaN and infinity, RecursionError for one that is nested too deep."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def bytes_of(text: str) -> bytes:
    """Raises WrongType if it is not base64."""
    try:
        return b64decode(text, validate=True)
    except NotBase64 as error:
        raise WrongType("a string of base64") from error


def array_text(values: Sequence[Any], type_name: str) -> str:
    """`{1,"a",NULL}` for an array type such as `text[]`, of lists nested as its dimensions are.

    An element of json[] and jsonb[] is any JSON value, a string is its text; one of bytea[] is base64.
    """
    text_of = _ELEMENTS.get(type_name, scalar_text)
    if text_of is not document_text and next(leaves(values), leaves) is leaves:
        return "{}"  # of lists of nothing, which PostgreSQL 16 does not read
    return _braces(values, _DELIMITERS.get(type_name, ","), text_of)


def leaves(value: Sequence[Any]) -> Iterator[Any]:
    """What is in the list and those within."""
    rest: list[Sequence[Any]] = [value]
    while rest:
        for part in rest.pop():
            if isinstance(part, list):
                rest.append(part)
            else:
                yield part


def multirange_text(values: Sequence[str]) -> str:
    """`{[1,2),[5,7)}` of the texts of ranges."""
    return f"{{{','.join(values)}}}"


def _braces(values: Sequence[Any], delimiter: str, text_of: Callable[[Any], str]) -> str:
    nests = text_of is not document_text
    return "{" + delimiter.join(_element(value, delimiter, text_of, nests=nests) for value in values) + "}"


def _element(value: Any, delimiter: str, text_of: Callable[[Any], str], *, nests: bool) -> str:
    if value is None:
        return "NULL"
    if nests and isinstance(value, list):
        return _braces(value, delimiter, text_of)
    return '"' + text_of(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def document_text(value: Any) -> str:
    """For json and jsonb: a string is JSON's text already, anything else becomes it."""
    return value if isinstance(value, str) else json_text(value)


def _hexadecimal(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongType("a string of base64")
    return f"\\x{bytes_of(value).hex()}"


_ELEMENTS: Final[dict[str, Callable[[Any], str]]] = {
    "json[]": document_text,
    "jsonb[]": document_text,
    "bytea[]": _hexadecimal,
}
