from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.infrastructure.statements import statement

ROWS_IN_A_PART = 10_000


async def in_parts(
    connection: AsyncConnection, name: str, rows_in_a_part: int = ROWS_IN_A_PART, **parameters: object
) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """The rows of the statement of that name as they come, without holding more than a part of them.

    Other statements may run on the connection between two parts; they change nothing of what comes.
    """
    options = {"yield_per": rows_in_a_part}
    result = await connection.stream(statement(name), parameters, execution_options=options)
    async for rows in result.partitions(rows_in_a_part):
        yield rows


def in_bytes(sized: Iterable[Sequence[Any]], most_bytes: int) -> Iterator[Sequence[Any]]:
    """Of things with their sizes, the things in parts of at most `most_bytes`, or of one that is larger."""
    part: list[Any] = []
    room = most_bytes
    for thing, size in sized:
        if part and size > room:
            yield part
            part, room = [], most_bytes
        part.append(thing)
        room -= size
    if part:
        yield part
