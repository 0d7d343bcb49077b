"""The parse tree as JSON: dicts and lists of any depth, so never walked by recursion."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every dict in `tree` with its value, at whatever depth, in no order to rely on."""
    waiting: list[Any] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            members = cast("Mapping[str, Any]", part)
            yield from members.items()
            waiting.extend(members.values())
        elif isinstance(part, list):
            waiting.extend(cast("list[Any]", part))


def dicts(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict in `tree` but the wrappers of one node, at whatever depth."""
    waiting: list[Any] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            members = cast("Mapping[str, Any]", part)
            yield members
            waiting.extend(members.values())
        elif isinstance(part, list):
            waiting.extend(cast("list[Any]", part))


def texts(names: Iterable[Any]) -> tuple[str, ...]:
    """The texts of a list of `String` nodes, the rest left out: the parts of a qualified name."""
    return tuple(name["String"].get("sval", "") for name in names if "String" in name)
