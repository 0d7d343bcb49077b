from collections.abc import Iterator, Sequence
from typing import Any, Final

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement
from asyncpg.types import Type

from coldquery.errors import Refused
from coldquery.values.literals import array_text, json_text, leaves, multirange_text
from coldquery.values.outgoing import type_name
from coldquery.values.reading import read
from coldquery.values.scalars import builtin, foreign
from coldquery.values.text_form import TextForm, WrongType

_MOST: Final = 32_767  # the protocol counts them in 16 bits, asyncpg with a sign
_OF_DOCUMENTS: Final = {"json[]", "jsonb[]"}
_VECTORS: Final = {"int2vector", "oidvector"}


async def bound(connection: Connection, prepared: PreparedStatement, params: Sequence[Any]) -> list[Any]:
    """The JSON values `params` as the parameters of `prepared`, in its transaction.

    JSON null is NULL. A type that JSON has takes its value as it is, json and jsonb any value (a string is the
    text of the JSON), bytea base64, an array a list, a composite an object, every other type a string that
    PostgreSQL reads, which costs two round trips. Raises Refused if there are too few or too many, or one is of
    the wrong type, and StatementFailed if PostgreSQL cannot read one; both name it by its index from 0.
    """
    types = prepared.get_parameters()
    _require_count(len(types), len(params))
    values = [_taken(index, *pair) for index, pair in enumerate(zip(types, params, strict=True))]
    forms = {index: value for index, value in enumerate(values) if isinstance(value, TextForm)}
    if forms:
        for index, value in (await read(connection, dict(enumerate(types)), forms)).items():
            values[index] = value
    return values


def _require_count(wanted: int, given: int) -> None:
    if given > _MOST:
        raise Refused(f"There are {given} params, and no statement takes more than {_MOST}.")
    if wanted != given:
        raise Refused(
            f"The statement takes {wanted} params, and {given} were given.",
            hint="params has one value for each of $1, $2, ... in the statement, in that order.",
        )


def _taken(index: int, type_: Type, value: Any) -> Any:
    _require_writable(index, value)
    try:
        return None if value is None else _of_kind(type_, value)
    except RecursionError as error:
        raise Refused(f"params[{index}] is nested too deep.") from error
    except ValueError as error:
        raise Refused(
            f"params[{index}] has a number that JSON does not have; write it as a string."
        ) from error
    except WrongType as error:
        text = f"params[{index}] is of type {type_name(type_)} and has to be {error}, not {_kind_of(value)}."
        raise Refused(text) from error


def _of_kind(type_: Type, value: Any) -> Any:
    match type_.kind:
        case "array":
            return _array(type_, value)
        case "composite":
            return _composite(value)
        case "range":
            return _string(value, "a string such as [1,10)")
        case "multirange":
            return _multirange(value)
        case _:
            return builtin(type_.name, value) if type_.schema == "pg_catalog" else foreign(value)


def _array(type_: Type, value: Any) -> TextForm:
    name = type_name(type_)
    if name in _VECTORS:
        # They count from 0, which the driver cannot say.
        raise WrongType("written into the statement, such as '1 2'::int2vector")
    if not isinstance(value, list):
        return _string(value, "a list")
    if name not in _OF_DOCUMENTS and any(isinstance(leaf, dict) for leaf in leaves(value)):
        return TextForm(json_text(value), is_json=True)
    return TextForm(array_text(value, name))


def _composite(value: Any) -> TextForm:
    if isinstance(value, dict):
        return TextForm(json_text(value), is_json=True)
    return _string(value, "an object")


def _multirange(value: Any) -> TextForm:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return TextForm(multirange_text(value))
    return _string(value, "a list of strings such as [1,10)")


def _string(value: Any, wanted: str) -> TextForm:
    if not isinstance(value, str):
        raise WrongType(wanted)
    return TextForm(value)


def _require_writable(index: int, value: Any) -> None:
    for text in _strings(value):
        if "\0" in text:
            raise Refused(f"params[{index}] has a NUL character, which PostgreSQL has in no text.")
        if not text.isascii() and _has_surrogate(text):
            raise Refused(f"params[{index}] has half of a surrogate pair, which is no character.")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _strings(value: Any) -> Iterator[str]:
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            rest.extend(part)
        elif isinstance(part, dict):
            yield from part
            rest.extend(part.values())


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "this string"
        case list():
            return "a list"
        case _:
            return "an object"
