from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any


class ValueType(StrEnum):
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUM = "enum"
    ARRAY = "array"
    OBJECT = "object"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        # A whole number of hundreds of digits is infinite to most who read JSON.
        return False


_IS_OF_TYPE: Mapping[ValueType, Callable[[Any], bool]] = {
    ValueType.STRING: lambda value: isinstance(value, str),
    ValueType.NUMBER: _is_number,
    ValueType.BOOLEAN: lambda value: isinstance(value, bool),
    ValueType.ENUM: lambda value: isinstance(value, str),
    ValueType.ARRAY: lambda value: isinstance(value, list | tuple),
    ValueType.OBJECT: lambda value: isinstance(value, Mapping),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that a collector tells of a workspace.

    `name` begins with the collector's prefix. `values` are those of an enum. What is `in_list` belongs into
    a list of many workspaces, a column each. A key that is not `nullable` has a value at all times.
    """

    name: str
    type: ValueType
    description: str
    in_list: bool = False
    values: tuple[str, ...] = ()
    nullable: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError where it is no key: another package may have made it without types."""
        object.__setattr__(self, "type", ValueType(self.type))
        object.__setattr__(self, "values", tuple(self.values))
        if not all(isinstance(text, str) for text in (self.name, self.description, *self.values)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{self.name} has a name, a description or values that are no texts")
        if not self.name.isprintable():
            raise ValueError(f"the name {self.name!r} has characters that cannot be seen")
        if self.type is ValueType.ENUM and not self.values:
            raise ValueError(f"{self.name} is an enum without values")

    def schema(self) -> dict[str, Any]:
        """What a client is told of the key: `{"type", "values" (enum), "description", "includeInList", "nullable"}`."""
        values = {"values": list(self.values)} if self.type is ValueType.ENUM else {}
        nullable = {"nullable": True} if self.nullable else {}
        return {
            "type": self.type.value,
            **values,
            "description": self.description,
            "includeInList": bool(self.in_list),
            **nullable,
        }

    def fault(self, value: object) -> str | None:
        """Why `value` is none of this key, or None if it is one."""
        if value is None:
            return None if self.nullable else "null, and it is not nullable"
        if not _IS_OF_TYPE[self.type](value):
            return f"this {type(value).__name__} is no {self.type}"
        if self.type is ValueType.ENUM and value not in self.values:
            return f"not one of {', '.join(self.values)}"
        return None
