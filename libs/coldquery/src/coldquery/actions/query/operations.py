from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NotRequired

from pydantic import ConfigDict
from typing_extensions import TypedDict

from coldquery.actions.writable import must_run_alone, writable
from coldquery.errors import ColdQueryError, Refused, TimedOut
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
        _tell(failure, index)
        raise


@dataclass(slots=True)
class Underway:
    """Which operation is being run, counted from 0; None before the first and after the last."""

    index: int | None = None

    @contextmanager
    def telling(self) -> Generator[None]:
        """Say it of a call that this server itself cut short."""
        try:
            yield
        except TimedOut as failure:
            if failure.operation is None and self.index is not None:
                _tell(failure, self.index)
            raise


def _tell(failure: ColdQueryError, index: int) -> None:
    failure.operation = index
    failure.message = f"operation {index}: {failure.message}"
    failure.args = (failure.message,)
