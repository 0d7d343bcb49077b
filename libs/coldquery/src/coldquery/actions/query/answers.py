from typing import Annotated, Any, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from coldquery.values.outgoing import Column

# Clients check answers against the schema, and what says more of rows has them look at each cell.
Rows = Annotated[
    list[list[Any]],
    WithJsonSchema({"type": "array", "description": "an array for each row, in the order of columns"}),
]


class ReadAnswer(TypedDict):
    """A page of rows, each an array in the order of `columns`.

    `truncated`: there is more, and `cursor` goes back in to continue.
    """

    columns: list[Column]
    rows: Rows
    row_count: int
    truncated: bool
    cursor: str | None
    hint: NotRequired[str]


class WriteAnswer(TypedDict):
    """What a statement did. `rows_affected` is null where PostgreSQL counts none, as for DDL.

    `rows` are those of RETURNING; `truncated`: there were more than are shown, and all were written.
    """

    command: str
    rows_affected: int | None
    columns: list[Column]
    rows: Rows
    truncated: NotRequired[bool]
    hint: NotRequired[str]


class TransactionAnswer(TypedDict):
    """What each operation did, in their order."""

    results: list[WriteAnswer]
    hint: NotRequired[str]


class ExplainAnswer(TypedDict):
    """PostgreSQL's plan as its EXPLAIN (FORMAT JSON) gives it; milliseconds.

    `execution_ms` is null unless it was run (`analyze`).
    """

    plan: list[Any]
    planning_ms: float | None
    execution_ms: float | None
    hint: NotRequired[str]
