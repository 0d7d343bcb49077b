from collections.abc import Sequence
from typing import Any, cast

from coldquery.actions.catalogue import Catalogue, Row
from coldquery.actions.schema.answers import TableDescription

_FACETS = ("columns", "indexes", "triggers", "policies", "parents", "partitions")


async def described_table(catalogue: Catalogue, oid: int) -> TableDescription:
    """All of a table or view that its users have to know."""
    about = await catalogue.row("about_relation", oid)
    facets = {facet: await catalogue.rows(facet, oid) for facet in _FACETS}
    keys = await catalogue.rows("constraints", oid)
    references = await catalogue.rows("foreign_keys", oid)
    described: dict[str, Any] = {**about, **facets, **_keys(keys), **_references(references, about)}
    return cast("TableDescription", described)


def _keys(keys: Sequence[Row]) -> dict[str, Any]:
    by_type = {type_: [_without(key, "type") for key in keys if key["type"] == type_] for type_ in "pucx"}
    return {
        "primary_key": next(iter(by_type["p"]), None),
        "unique": by_type["u"],
        "checks": by_type["c"],
        "exclusions": by_type["x"],
    }


def _references(references: Sequence[Row], about: Row) -> dict[str, Any]:
    # A table that refers to itself is on both sides.
    here = (about["schema"], about["name"])
    return {
        "foreign_keys": [_without(key, "outgoing") for key in references if key["outgoing"]],
        "referenced_by": [
            _without(key, "outgoing")
            for key in references
            if (key["references_schema"], key["references_table"]) == here
        ],
    }


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}
