from collections.abc import Sequence

from coldquery.actions.catalogue import Catalogue, Row
from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted

KINDS = {
    "table": frozenset("rpfvm"),
    "view": frozenset("rpfvm"),
    "index": frozenset("iI"),
    "sequence": frozenset("S"),
    "function": frozenset({"()"}),
}
"""What pg_class has as the kind of each; a table may be asked for as a view, and the other way round."""
_OTHER_WORDS = {
    "tables": "table",
    "views": "view",
    "materialized view": "view",
    "foreign table": "table",
    "partitioned table": "table",
    "indexes": "index",
    "sequences": "sequence",
    "functions": "function",
    "procedure": "function",
    "aggregate": "function",
}


def target_of(target: str) -> str:
    """The key of KINDS that `target` means; raises Refused if there is none."""
    word = " ".join(target.lower().split())
    known = _OTHER_WORDS.get(word, word)
    if known not in KINDS:
        raise Refused(f"There is no description of {target!r}.", hint=f"target is one of {', '.join(KINDS)}.")
    return known


async def found(catalogue: Catalogue, target: str, schema: str | None, name: str) -> list[Row]:
    """The object of that name, or the functions: in `schema`, else in the first schema of the path that has it.

    Raises Refused where there is none, saying in which schemas one is.
    """
    quoted(*(part for part in (schema, name) if part is not None))
    rows = await catalogue.rows("named", name, None, list(catalogue.path))
    of_kind = [row for row in rows if row["kind"] in KINDS[target]]
    places = [row["schema"] for row in of_kind if row["place"] is not None]
    where = schema if schema is not None else next(iter(places), None)
    if chosen := [row for row in of_kind if row["schema"] == where]:
        return chosen
    raise _nowhere(target, schema, name, rows, of_kind)


def _nowhere(
    target: str, schema: str | None, name: str, rows: Sequence[Row], of_kind: Sequence[Row]
) -> Refused:
    place = "on the search path" if schema is None else f"in the schema {schema!r}"
    return Refused(f"There is no {target} {name!r} {place}.", hint=_where_else(target, name, rows, of_kind))


def _where_else(target: str, name: str, rows: Sequence[Row], of_kind: Sequence[Row]) -> str:
    if of_kind:
        schemas = ", ".join(sorted({repr(row["schema"]) for row in of_kind}))
        return f"There is one in {schemas}: give that as schema."
    if rows:
        words = ", ".join(sorted({_word(row["kind"]) for row in rows}))
        return f"What has this name is of another kind: give {words} as target."
    schema, dot, bare = name.rpartition(".")
    if schema and dot and bare:
        return f"A name is taken as it is: if {bare!r} in the schema {schema!r} is meant, give both, as name and schema."
    plural = "indexes" if target == "index" else f"{target}s"
    return f"pg_schema list with target {plural} tells those there are; a name is taken as it is stored, without quotes."


def _word(kind: str) -> str:
    return next((word for word, kinds in KINDS.items() if kind in kinds), kind)
