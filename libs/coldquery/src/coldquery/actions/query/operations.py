from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NotRequired

from pydantic import ConfigDict
from typing_extensions import TypedDict

from coldquery.actions.query.writable import must_run_alone, writable
from coldquery.errors import ColdQueryError, Refused
from coldquery.statements.statement import Statement

MAX_OPERATIONS = 100


class Operation(TypedDict):
    """One statement of a transaction."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    sql: str
    params: NotRequired[list[Any] | None]


def statements_of(operations: Sequence[Operation]) -> list[Statement]:
    """Their statements; raises Refused if there are none or too many, or if one cannot be part of a transaction."""
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise Refused(
            f"A transaction takes 1 to {MAX_OPERATIONS} operations, and these are {len(operations)}."
        )
    return [_statement(index, operation) for index, operation in enumerate(operations)]


def _statement(index: int, operation: Operation) -> Statement:
    with failing_at(index):
        statement = writable(operation["sql"])
        if must_run_alone(statement):
            raise Refused(
                "This statement cannot run in a transaction.",
                hint="Call write with autocommit: true for it alone; nothing can roll it back then.",
            )
    return statement


@contextmanager
def failing_at(index: int) -> Generator[None]:
    """Say of what goes wrong in the body in which operation it was, counted from 0."""
    try:
        yield
    except ColdQueryError as failure:
        failure.operation = index
        failure.message = f"operation {index}: {failure.message}"
        failure.args = (failure.message,)
        raise
