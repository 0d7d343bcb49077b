"""The same cycles in the database and in memory."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from inventory_cycles import (
    FETCH,
    GITHUB,
    RENEWED_AFTER,
    Inventory,
    container,
    in_kubernetes,
    remote,
)
from sqlalchemy import text

from dependency_graph.application.sync import Changes
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction

Cycle = Callable[[Inventory], Awaitable[Changes]]

TWO = remote("hub", group="red", tools=("a",)), container("web")

CYCLES: list[Cycle] = [
    lambda inventory: inventory.lists(*TWO),
    lambda inventory: inventory.describes(GITHUB, FETCH),
    lambda inventory: inventory.lists(*TWO),
    lambda inventory: inventory.lists(in_kubernetes(remote("hub", "http://a:81")), runtime="k8s"),
    lambda inventory: inventory.lists(remote("hub", None), container("web", "mcp/fetch:2")),
    lambda inventory: inventory.describes(replace(FETCH, title="Fetch", tags=("t",))),
    lambda inventory: inventory.describes(),
    lambda inventory: inventory.lists(),
    lambda inventory: inventory.lists(container("web", "mcp/fetch:2")),
    lambda inventory: inventory.lists(empty=True, runtime="k8s"),
    lambda inventory: inventory.lists(empty=True, runtime="k8s"),
    lambda inventory: inventory.describes(GITHUB),
]

ROWS = text(
    "SELECT xmin::text, ctid::text FROM graph.mcp_workloads UNION ALL "
    "SELECT xmin::text, ctid::text FROM graph.mcp_registry_servers UNION ALL "
    "SELECT xmin::text, ctid::text FROM graph.services UNION ALL "
    "SELECT xmin::text, ctid::text FROM graph.service_dependencies UNION ALL "
    "SELECT xmin::text, ctid::text FROM graph.generation ORDER BY 1, 2"
)


async def test_the_same_cycles_change_the_same_in_the_database_and_in_memory(database: Database) -> None:
    stored, kept = Inventory(partial(graph_transaction, database)), Inventory()
    for cycle in CYCLES:
        assert await cycle(stored) == await cycle(kept)
        async with graph_transaction(database) as graph:
            assert {s.key: s for s in await graph.mcp_servers.all()} == kept.graph.known_mcp_servers
            assert {e.name: e for e in await graph.mcp_servers.entries()} == kept.graph.known_entries
            assert await graph.services.find(kept.services) == kept.graph.known_services
        stored.now = kept.now = kept.now + timedelta(hours=1)


async def test_a_cycle_that_finds_nothing_changed_touches_no_row(database: Database) -> None:
    inventory = Inventory(partial(graph_transaction, database))
    for _ in range(2):
        await inventory.describes(GITHUB, FETCH)
        await inventory.lists(*TWO)
    before = await _rows(database)
    inventory.now += RENEWED_AFTER
    await inventory.describes(FETCH, GITHUB)
    await inventory.lists(*TWO)
    assert await _rows(database) == before


async def _rows(database: Database) -> list[tuple[str, ...]]:
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(ROWS)]
