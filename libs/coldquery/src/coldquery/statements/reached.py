from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coldquery.statements.builtins import DANGEROUS
from coldquery.statements.nodes import dicts, texts


class Name(NamedTuple):
    """A name as written; `schema` is None if it is not qualified."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Call(NamedTuple):
    """A call of a function as written."""

    schema: str | None
    name: str
    arguments: int
    plain: bool
    """Neither named arguments nor VARIADIC: then the first schema of the path hides the others."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What has to be looked up in the catalogue, by the names in a statement.

    `attributes` are the names after a dot: in PostgreSQL `t.f` can be a call of the function `f`.
    """

    functions: frozenset[Call] = frozenset()
    attributes: frozenset[str] = frozenset()
    operators: frozenset[Name] = frozenset()
    types: frozenset[Name] = frozenset()
    relations: frozenset[Name] = frozenset()

    def __bool__(self) -> bool:
        return any((self.functions, self.attributes, self.operators, self.types, self.relations))


def reached_when_run(tree: Mapping[str, Any]) -> Reached:
    """Whatever the names in `tree` can mean, as it is to be run."""
    parts = list(dicts(tree))
    functions = frozenset(call for part in parts for call in _calls(part))
    attributes = frozenset(name for part in parts for name in _attributes(part))
    return Reached(
        functions,
        attributes,
        frozenset(_operators(parts)),
        frozenset(name for part in parts for name in _types(part))
        # `f(x)` and `x.f` can be casts, too.
        | {Name(call.schema, call.name) for call in functions if call.arguments == 1}
        | {Name(None, name) for name in attributes},
        frozenset(name for part in parts for name in _relations(part)),
    )


def reached_when_planned(tree: Mapping[str, Any]) -> Reached:
    """What the planner alone may call: stable functions for its estimates, and the input of constants."""
    reached = reached_when_run(tree)
    functions = frozenset(call for call in reached.functions if call.name in DANGEROUS)
    return Reached(functions=functions, types=reached.types)


def _name(parts: tuple[str, ...]) -> Name:
    # Of three parts the first is the database, which can only be this one.
    *qualified, name = parts
    return Name(qualified[-1] if qualified else None, name)


def _calls(part: Mapping[str, Any]) -> Iterator[Call]:
    if "funcname" in part:
        arguments: list[Mapping[str, Any]] = part.get("args", [])
        within = part.get("agg_order", []) if part.get("agg_within_group") else []
        plain = "func_variadic" not in part and not any("NamedArgExpr" in each for each in arguments)
        name = _name(texts(part["funcname"]))
        if not _checks_known_type(name, arguments):
            yield Call(name.schema, name.name, len(arguments) + len(within), plain)
    for key, count in _KEYWORDS_SINCE_17.items():
        if key in part:
            yield Call(None, _keyword(key, part[key]), count, plain=True)


# Syntax of PostgreSQL 17, with as many arguments as each looks like it has; to 16 they are names of functions.
_KEYWORDS_SINCE_17 = {
    "JsonFuncExpr": 2,
    "JsonParseExpr": 1,
    "JsonScalarExpr": 1,
    "JsonSerializeExpr": 1,
    "MergeSupportFunc": 0,
}
_NAMES_OF_KEYWORDS = {
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "MergeSupportFunc": "merge_action",
}


def _keyword(key: str, node: Mapping[str, Any]) -> str:
    # "JSON_VALUE_OP" is json_value.
    return _NAMES_OF_KEYWORDS.get(key) or node["op"].removesuffix("_OP").lower()


def _checks_known_type(name: Name, arguments: list[Mapping[str, Any]]) -> bool:
    # As `x::integer` would be looked up, so is pg_input_is_valid(x, 'integer').
    return (
        name.name == "pg_input_is_valid" and name.schema in {None, "pg_catalog"} and _builtin(arguments[1:])
    )


_PLAIN_TYPES = frozenset(
    {
        *("bool", "boolean", "smallint", "int2", "int", "integer", "int4", "bigint", "int8"),
        *("numeric", "decimal", "real", "float4", "double precision", "float8", "money"),
        *("text", "varchar", "bytea", "uuid", "json", "jsonb", "xml", "inet", "cidr", "macaddr"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
    }
)


def _builtin(arguments: list[Mapping[str, Any]]) -> bool:
    constants = [each.get("A_Const", {}).get("sval", {}).get("sval") for each in arguments]
    return len(constants) == 1 and constants[0] in _PLAIN_TYPES


def _attributes(part: Mapping[str, Any]) -> Iterator[str]:
    yield from texts(part.get("fields", [])[1:])
    yield from texts(part.get("indirection", []))


# What the grammar says with words, and PostgreSQL looks up as operators.
_WORDS = {
    "BETWEEN": (">=", "<="),
    "NOT BETWEEN": ("<", ">"),
    "BETWEEN SYMMETRIC": (">=", "<="),
    "NOT BETWEEN SYMMETRIC": ("<", ">"),
}


def _operators(parts: list[Mapping[str, Any]]) -> Iterator[Name]:
    for part in parts:
        yield from _written_operators(part)
        if _compares(part):
            yield Name(None, "=")


def _written_operators(part: Mapping[str, Any]) -> Iterator[Name]:
    if str(part.get("kind", "")).startswith("AEXPR_") and "name" in part:
        name = _name(texts(part["name"]))
        yield from (Name(name.schema, each) for each in _WORDS.get(name.name, (name.name,)))
    for key in ("operName", "useOp"):
        if key in part:
            yield _name(texts(part[key]))


def _compares(part: Mapping[str, Any]) -> bool:
    # x in (select …), case x when …, join using (…), natural join
    return (
        ("SubLink" in part and "operName" not in part["SubLink"])
        or ("CaseExpr" in part and "arg" in part["CaseExpr"])
        or "usingClause" in part
        or "isNatural" in part
    )


def _types(part: Mapping[str, Any]) -> Iterator[Name]:
    # Those of pg_catalog matter through the types of what is cast to them, which are reached otherwise.
    if isinstance(names := part.get("names"), list) and (name := _name(texts(names))).schema != "pg_catalog":
        yield name


def _relations(part: Mapping[str, Any]) -> Iterator[Name]:
    if "relname" in part:
        yield Name(part.get("schemaname"), part["relname"])
