from typing import cast

from coldquery.actions.catalogue import Catalogue, looking
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.schema.answers import (
    FunctionDescription,
    FunctionOverload,
    IndexDescription,
    SequenceDescription,
    TableDescription,
)
from coldquery.actions.schema.naming import found, target_of
from coldquery.actions.schema.tables import described_table

Description = TableDescription | IndexDescription | SequenceDescription | FunctionDescription


async def describe(
    context: Context,
    *,
    name: str,
    target: str = "table",
    schema: str | None = None,
    session_id: str | None = None,
) -> Description:
    """One object: a table or view, an index, a sequence, or the functions of a name.

    Without `schema` it is looked for on the search path. Raises Refused where there is none.
    """
    kind = target_of(target)
    async with looking(context, session_id) as catalogue:
        described = await _described(catalogue, kind, schema, name)
    return hinted(described, catalogue.hint)


async def _described(catalogue: Catalogue, kind: str, schema: str | None, name: str) -> Description:
    objects = await found(catalogue, kind, schema, name)
    oid: int = objects[0]["oid"]
    match kind:
        case "function":
            overloads = await catalogue.rows("functions", [row["oid"] for row in objects])
            return FunctionDescription(
                kind=kind,
                schema=objects[0]["schema"],
                name=name,
                overloads=cast("list[FunctionOverload]", overloads),
            )
        case "index":
            return cast("IndexDescription", await catalogue.row("index", oid))
        case "sequence":
            return cast("SequenceDescription", await catalogue.row("sequence", oid))
        case _:
            return await described_table(catalogue, oid)
