"""What a read fetches for a page, and what it holds beside it."""

from collections.abc import Sequence

import asyncpg
import pytest
from asyncpg.cursor import Cursor

from coldquery.connections.portal import FIRST_BATCH, GROWTH, MAX_BATCH, Portal


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Sequence[int]:
    """How many rows PostgreSQL was asked for, each time."""
    asked: list[int] = []
    fetch = Cursor.fetch

    async def counted(cursor: Cursor, count: int) -> list[asyncpg.Record]:
        asked.append(count)
        return await fetch(cursor, count)

    monkeypatch.setattr(Cursor, "fetch", counted)
    return asked


async def test_no_more_rows_are_fetched_than_should_fit_into_the_bytes_of_a_page(
    connection: asyncpg.Connection, asked: Sequence[int]
) -> None:
    async with connection.transaction():
        portal = await Portal.opened(
            connection, "SELECT repeat('x', 9995) FROM generate_series(1, 999)", None
        )
        # A row is 9,995 characters in quotes and brackets, and what stands between two.
        assert len(await portal.page(1000, 1_000_100)) == 100
    # Of each batch one row may be too many.
    assert sum(asked) <= 100 + len(asked)


async def test_a_batch_is_some_times_as_large_as_all_before_it_for_rows_may_grow(
    connection: asyncpg.Connection, asked: Sequence[int]
) -> None:
    async with connection.transaction():
        portal = await Portal.opened(connection, "SELECT generate_series(1, 999)", None)
        assert len(await portal.page(1000, 1_000_000)) == 999
    assert asked[:3] == [2, 2 * GROWTH + 1, (2 + 2 * GROWTH + 1) * GROWTH + 1]


@pytest.mark.parametrize("max_rows", [1])
async def test_one_row_more_than_a_page_has_tells_in_one_go_whether_there_is_another(
    connection: asyncpg.Connection, asked: Sequence[int], max_rows: int
) -> None:
    async with connection.transaction():
        portal = await Portal.opened(connection, f"SELECT generate_series(1, {max_rows + 1})", None)
        assert len(await portal.page(max_rows, 1_000_000)) == max_rows
        assert not portal.is_at_end
    assert asked == [max_rows + 1]


async def test_rows_come_in_batches_however_many_a_page_may_have(
    connection: asyncpg.Connection, asked: Sequence[int]
) -> None:
    async with connection.transaction():
        portal = await Portal.opened(connection, "SELECT generate_series(1, 20000)", None)
        assert len(await portal.page(20_000, 10_000_000)) == 20_000
    assert asked[0] == FIRST_BATCH
    assert max(asked) == MAX_BATCH + 1
