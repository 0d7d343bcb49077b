from collections.abc import Sequence
from typing import Any, cast

from coldquery.actions.catalogue import Row, looking
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.actions.schema.answers import ObjectList
from coldquery.errors import Refused

DEFAULT_LIMIT = 100

_MEASURED = ("tables", "views", "indexes", "sequences")
TARGETS = (*_MEASURED, "functions", "schemas", "extensions")


async def list_objects(
    context: Context,
    *,
    target: str = "tables",
    schema: str | None = None,
    limit: int | None = None,
    offset: int = 0,
    include_sizes: bool = False,
    session_id: str | None = None,
) -> ObjectList:
    """All of one kind, by schema and name; those of system schemas only where `schema` names one.

    `target` is one of TARGETS, `limit` is 100 unless given. Raises Refused.
    """
    kind = _kind(target, include_sizes=include_sizes)
    count = _limit(limit, context.limits.max_rows)
    _require_offset(offset)
    arguments: list[Any] = [schema, count, offset]
    if kind in _MEASURED:
        arguments.append(include_sizes)
    async with looking(context, session_id) as catalogue:
        rows = await catalogue.rows(f"list_{kind}", *arguments)
    total: int = rows[0]["total"]
    items = _items(rows)
    after = offset + len(items)
    listed = ObjectList(
        target=kind,
        items=cast("Any", items),
        total=total,
        next_offset=after if items and after < total else None,
    )
    return hinted(listed, catalogue.hint)


def _kind(target: str, *, include_sizes: bool) -> str:
    plain = target.strip().lower()
    kind = next((kind for kind in TARGETS if plain in (kind, _singular(kind))), None)
    if kind is None:
        raise Refused(f"There is no list of {target!r}.", hint=f"target is one of {', '.join(TARGETS)}.")
    if include_sizes and kind not in _MEASURED:
        raise Refused(
            f"The {kind} have no sizes.",
            hint=f"Leave out include_sizes; it goes with {', '.join(_MEASURED)}.",
        )
    return kind


def _singular(kind: str) -> str:
    return "index" if kind == "indexes" else kind.removesuffix("s")


def _limit(limit: int | None, most: int) -> int:
    if limit is None:
        return min(DEFAULT_LIMIT, most)
    if not 1 <= limit <= most:
        raise Refused(
            f"limit is {limit}, and must be from 1 to {most}.", hint="Go on with offset: next_offset."
        )
    return limit


def _require_offset(offset: int) -> None:
    if not 0 <= offset < 2**63:
        raise Refused(f"offset is {offset}, and must be from 0 on.", hint="Leave it out for the first.")


def _items(rows: Sequence[Row]) -> list[Row]:
    # Past the end there is a row without an object, for the total.
    found = [row for row in rows if row["oid"] is not None]
    return [{name: value for name, value in row.items() if name not in ("oid", "total")} for row in found]
