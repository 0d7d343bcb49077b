"""What is removed, and what is not: workloads and entries of the registry that are not told of any more."""

import pytest
from inventory_cycles import FETCH, GITHUB, Inventory, MemoryToolhive, container, in_kubernetes, remote

from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import Match


@pytest.fixture
async def inventory() -> Inventory:
    """Two workloads, each from its entry."""
    inventory = Inventory()
    await inventory.describes(FETCH, GITHUB)
    await inventory.lists(container("web"), remote("hub"))
    return inventory


async def test_a_complete_listing_removes_what_it_does_not_have(inventory: Inventory) -> None:
    changes = await inventory.lists(remote("hub"))
    assert (inventory.names, changes["workloads_removed"]) == (["hub"], 1)


async def test_a_complete_listing_of_unwanted_workloads_removes_those_that_were_wanted(
    inventory: Inventory,
) -> None:
    changes = await inventory.lists(empty=False)
    assert (inventory.names, changes["workloads_removed"]) == ([], 2)


async def test_a_failed_listing_removes_nothing_however_often(inventory: Inventory) -> None:
    transactions = inventory.transactions
    for _ in range(5):
        with pytest.raises(SourceFailed, match="no workloads"):
            await inventory.takes_workloads(MemoryToolhive())
    assert (inventory.names, inventory.transactions) == (["hub", "web"], transactions)


async def test_a_listing_with_an_item_that_could_not_be_read_removes_nothing_however_often(
    inventory: Inventory,
) -> None:
    for _ in range(5):
        changes = await inventory.lists(remote("hub"), complete=False)
        assert inventory.names == ["hub", "web"]
        assert changes["warnings"] == [
            "these are not in the listing, and stay as not all of it could be read: 'web'"
        ]


async def test_a_listing_of_nothing_that_could_be_read_removes_nothing_however_often(
    inventory: Inventory,
) -> None:
    for _ in range(5):
        await inventory.lists(complete=False)
    assert (inventory.names, inventory.server("hub").missed) == (["hub", "web"], False)


async def test_an_empty_listing_removes_only_if_the_next_one_is_empty_too(inventory: Inventory) -> None:
    first = await inventory.lists()
    assert (inventory.names, first["workloads_removed"]) == (["hub", "web"], 0)
    assert first["warnings"] == [
        "these are not in the listing, and stay as it was empty for the first time: 'hub', 'web'"
    ]
    second = await inventory.lists()
    assert (inventory.names, second["workloads_removed"], second["warnings"]) == ([], 2, [])


async def test_a_workload_that_is_back_after_an_empty_listing_is_not_missed_any_more(
    inventory: Inventory,
) -> None:
    for _ in range(3):
        await inventory.lists()
        assert inventory.server("hub").missed
        await inventory.lists(remote("hub"), container("web"))
        assert not inventory.server("hub").missed
    assert inventory.names == ["hub", "web"]


async def test_a_listing_that_could_not_all_be_read_is_not_empty(inventory: Inventory) -> None:
    for _ in range(3):
        await inventory.lists()
        await inventory.lists(complete=False)
    assert inventory.names == ["hub", "web"]


async def test_a_failed_listing_between_two_empty_ones_does_not_count(inventory: Inventory) -> None:
    await inventory.lists()
    with pytest.raises(SourceFailed):
        await inventory.takes_workloads(MemoryToolhive())
    await inventory.lists()
    assert inventory.names == []


async def test_after_an_empty_listing_a_complete_one_removes_what_it_does_not_have(
    inventory: Inventory,
) -> None:
    await inventory.lists()
    await inventory.lists(container("web"))
    assert inventory.names == ["web"]


async def test_a_workload_whose_details_are_not_to_be_had_is_not_removed(inventory: Inventory) -> None:
    for _ in range(5):
        await inventory.lists(remote("hub", None), container("web"))
    assert (inventory.names, inventory.matches["hub"]) == (["hub", "web"], Match("github"))


async def test_a_workload_whose_details_are_not_to_be_had_is_not_missed_any_more(
    inventory: Inventory,
) -> None:
    await inventory.lists()
    await inventory.lists(remote("hub", None))
    assert not inventory.server("hub").missed


async def test_a_listing_removes_nothing_of_another_runtime(inventory: Inventory) -> None:
    await inventory.lists(in_kubernetes(remote("hub")), runtime="k8s")
    assert inventory.names == ["hub", "tools/hub", "web"]
    for _ in range(2):
        await inventory.lists()
    assert inventory.names == ["tools/hub"]


async def test_a_name_is_its_own_in_each_namespace(inventory: Inventory) -> None:
    one, other = in_kubernetes(remote("hub"), "one"), in_kubernetes(remote("hub"), "other")
    await inventory.lists(one, other, runtime="k8s")
    await inventory.lists(other, runtime="k8s")
    assert inventory.names == ["hub", "other/hub", "web"]


async def test_an_entry_that_disappears_unlinks_its_workloads(inventory: Inventory) -> None:
    changes = await inventory.describes(FETCH)
    assert (changes["entries_removed"], changes["workloads_relinked"], changes["warnings"]) == (1, 1, [])
    assert inventory.matches == {"hub": Match(), "web": Match("fetch")}
    assert list(inventory.graph.known_entries) == ["fetch"]


async def test_an_empty_registry_removes_nothing_however_often(inventory: Inventory) -> None:
    for _ in range(5):
        changes = await inventory.describes()
        assert changes["warnings"] == [
            "these are not in the registry, and stay as it was empty: 'fetch', 'github'"
        ]
    assert inventory.matches == {"hub": Match("github"), "web": Match("fetch")}


async def test_a_failed_registry_removes_nothing(inventory: Inventory) -> None:
    transactions = inventory.transactions
    with pytest.raises(SourceFailed, match="no registry"):
        await inventory.takes_registry(MemoryToolhive())
    assert (sorted(inventory.graph.known_entries), inventory.transactions) == (
        ["fetch", "github"],
        transactions,
    )


async def test_a_registry_that_could_not_all_be_read_adds_and_changes_and_removes_nothing(
    inventory: Inventory,
) -> None:
    changes = await inventory.describes(GITHUB, complete=False)
    assert changes["warnings"] == [
        "these are not in the registry, and stay as not all of it could be read: 'fetch'"
    ]
    assert (changes["entries_removed"], sorted(inventory.graph.known_entries)) == (0, ["fetch", "github"])
    assert inventory.matches["web"] == Match("fetch")


async def test_only_the_first_names_are_told_of_many_that_stay(inventory: Inventory) -> None:
    await inventory.lists(*[container(f"c{n}") for n in range(7)])
    changes = await inventory.lists()
    assert changes["warnings"][0].endswith("'c0', 'c1', 'c2', 'c3', 'c4' and 2 more")
