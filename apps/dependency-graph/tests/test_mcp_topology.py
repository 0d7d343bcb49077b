"""The part of the graph that follows from the workloads."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOON, batch, later
from inventory_cycles import RENEWED_AFTER, Inventory, container, in_kubernetes, remote

from dependency_graph.application.delete_service import delete_service
from dependency_graph.application.ingest import Batch, Edge, ingest
from dependency_graph.application.mark_stale import mark_stale
from dependency_graph.application.ports import ObservedWorkload
from dependency_graph.application.put_service import put_service
from dependency_graph.domain.cycle import AlertStatus
from dependency_graph.domain.dependency import Attributes, DiscoverySource
from dependency_graph.domain.service import Service, ServiceType

TOOLHIVE = DiscoverySource.TOOLHIVE
HUB, HOST = "mcp:hub", "remote:api.githubcopilot.com"
PAIR = (HUB, HOST)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


async def test_workloads_are_services_and_remote_ones_depend_on_their_host(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"), container("web"))
    await inventory.lists(in_kubernetes(remote("hub", "http://Other.Example:8080/mcp")), runtime="k8s")
    assert inventory.graph.known_services == {
        name: Service.placeholder(name, service_type)
        for name, service_type in {
            HUB: ServiceType.INTERNAL,
            "mcp:web": ServiceType.INTERNAL,
            "mcp:tools/hub": ServiceType.INTERNAL,
            HOST: ServiceType.EXTERNAL,
            "remote:other.example:8080": ServiceType.EXTERNAL,
        }.items()
    }
    assert inventory.pairs == {PAIR, ("mcp:tools/hub", "remote:other.example:8080")}
    told = inventory.graph.known_dependencies[PAIR, TOOLHIVE]
    assert (told.attributes.protocol, told.last_observed_at) == ("https", NOON)


async def test_a_stopped_workload_stays_in_the_graph(inventory: Inventory) -> None:
    await inventory.lists(replace(remote("hub"), status="stopped"))
    assert inventory.pairs == {PAIR}


async def test_what_something_else_referred_to_goes_once_that_is_gone(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    await ingest(batch(("agent", HUB)), inventory.graph, NOON)
    await inventory.lists(empty=False)
    assert inventory.services == {"agent", HUB}
    await delete_service("agent", inventory.graph, NOON)
    changes = await inventory.lists(empty=False)
    assert (inventory.services, changes["services_removed"]) == (set(), 1)


async def test_what_goes_with_a_workload_goes_from_the_graph_unless_others_share_it(
    inventory: Inventory,
) -> None:
    await inventory.lists(remote("hub"), remote("other"), container("web"))
    changes = await inventory.lists(remote("hub"))
    assert (inventory.services, inventory.pairs) == ({HUB, HOST}, {PAIR})
    assert (changes["services_removed"], changes["dependencies_removed"], changes["generation"]) == (2, 1, 2)
    await inventory.lists(empty=False)
    assert (inventory.services, inventory.pairs) == (set(), set())


async def test_a_workload_that_leads_elsewhere_now_depends_on_that_host(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    changes = await inventory.lists(remote("hub", "https://mcp.github.example/mcp"))
    assert inventory.services == {HUB, "remote:mcp.github.example"}
    assert inventory.pairs == {(HUB, "remote:mcp.github.example")}
    assert (changes["dependencies_upserted"], changes["dependencies_removed"]) == (1, 1)
    assert changes["generation"] == 2


async def test_a_remote_workload_that_becomes_a_container_depends_on_nothing(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"), remote("other"))
    changes = await inventory.lists(container("hub"), remote("other"))
    assert inventory.services == {HUB, "mcp:other", HOST}
    assert (inventory.pairs, changes["generation"]) == ({("mcp:other", HOST)}, 2)


async def test_every_change_of_the_graph_makes_one_generation(inventory: Inventory) -> None:
    listings = (
        [container("a")],
        [container("a"), container("b")],
        [container("b")],
        [remote("b")],
        [remote("c")],
    )
    generations = [(await inventory.lists(*listing))["generation"] for listing in listings]
    assert generations == [1, 2, 3, 4, 5]


async def test_a_workload_that_is_missed_stays_in_the_graph_until_it_is_removed(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    assert (await inventory.lists())["generation"] == 1
    assert inventory.pairs == {PAIR}
    assert (await inventory.lists())["generation"] == 2
    assert inventory.services == set()


async def test_a_host_that_others_depend_on_stays(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    await ingest(batch(("cart", HOST)), inventory.graph, NOON)
    await inventory.lists(empty=False)
    assert inventory.services == {"cart", HOST}


async def test_what_another_source_says_of_the_same_dependency_stays(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    await ingest(batch(PAIR, source=DiscoverySource.OTEL_SERVICE_GRAPH), inventory.graph, NOON)
    await inventory.lists(empty=False)
    assert set(inventory.graph.known_dependencies) == {(PAIR, DiscoverySource.OTEL_SERVICE_GRAPH)}
    assert inventory.services == {HUB, HOST}


async def test_a_service_that_a_person_registered_keeps_its_description_and_stays(
    inventory: Inventory,
) -> None:
    await put_service(Service.registered(HUB, {"team": "red"}), inventory.graph)
    await inventory.lists(remote("hub"))
    assert inventory.graph.known_services[HUB].team == "red"
    await inventory.lists(empty=False)
    assert (inventory.services, inventory.pairs) == ({HUB}, set())


async def test_a_service_that_a_person_deleted_is_back_with_the_next_cycle(inventory: Inventory) -> None:
    for workload, doomed in [(remote("hub"), HUB), (remote("hub"), HOST), (container("hub"), HUB)]:
        await inventory.lists(workload)
        expected = inventory.services, inventory.pairs
        await delete_service(doomed, inventory.graph, NOON)
        generation = inventory.graph.generation.value
        assert (await inventory.lists(workload))["generation"] == generation + 1
        assert (inventory.services, inventory.pairs) == expected


async def test_a_dependency_is_observed_again_once_it_is_old_enough_and_not_before(
    inventory: Inventory,
) -> None:
    await inventory.lists(remote("hub"))
    inventory.now = NOON + RENEWED_AFTER
    assert (await inventory.lists(remote("hub")))["dependencies_upserted"] == 0
    inventory.now += MOMENT
    assert (await inventory.lists(remote("hub")))["dependencies_upserted"] == 1
    known = inventory.graph.known_dependencies[PAIR, TOOLHIVE]
    assert (known.last_observed_at, known.observations) == (inventory.now, 2)


async def test_a_stale_dependency_is_revived(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    await mark_stale(inventory.graph, timedelta(0), NOON)
    inventory.now = later()
    changes = await inventory.lists(remote("hub"))
    assert not inventory.graph.known_dependencies[PAIR, TOOLHIVE].is_stale
    assert changes["dependencies_upserted"] == 1


async def test_a_dependency_that_is_not_as_told_is_told_again(inventory: Inventory) -> None:
    await inventory.lists(remote("hub"))
    inventory.now = later()
    await inventory.lists(remote("hub", "http://api.githubcopilot.com/mcp"))
    assert inventory.graph.known_dependencies[PAIR, TOOLHIVE].attributes.protocol == "http"


async def test_a_fresh_word_of_another_source_does_not_stand_in_for_toolhives(inventory: Inventory) -> None:
    edge = Edge(PAIR, Attributes(protocol="https"))
    await ingest(Batch(DiscoverySource.MANUAL, NOON, [], [edge]), inventory.graph, NOON)
    await inventory.lists(remote("hub"))
    assert inventory.pairs == {PAIR}
    assert inventory.graph.known_services[HOST].service_type is ServiceType.EXTERNAL


@pytest.mark.parametrize(
    ("workload", "services"),
    [
        (container("x" * 252), set[str]()),
        (container("a\u2028b"), set[str]()),
        (remote("far", f"https://{'x' * 249}/"), {"mcp:far"}),
        (remote("far", "stdio"), {"mcp:far"}),
    ],
    ids=["long name", "odd name", "long host", "no url"],
)
async def test_what_the_graph_cannot_name_is_in_the_inventory_only(
    inventory: Inventory, workload: ObservedWorkload, services: set[str]
) -> None:
    changes = await inventory.lists(workload)
    assert (inventory.names, inventory.services) == ([workload.key.name], services)
    [warning] = changes["warnings"]
    assert warning == f"these, or what they lead to, cannot be named in the graph: {workload.key.name!r}"


async def test_names_as_long_as_the_graph_allows_are_in_it(inventory: Inventory) -> None:
    name, host = "x" * 251, "y" * 248
    assert (await inventory.lists(remote(name, f"https://{host}/")))["warnings"] == []
    assert inventory.services == {f"mcp:{name}", f"remote:{host}"}


async def test_a_cycle_through_a_workload_is_told_and_resolves_when_the_workload_goes(
    inventory: Inventory,
) -> None:
    await ingest(batch((HOST, HUB)), inventory.graph, NOON)
    assert (await inventory.lists(remote("hub")))["cycles_found"] == 1
    await inventory.lists(empty=False)
    [alert] = inventory.graph.known_alerts.values()
    assert (alert.status, alert.resolved_at) == (AlertStatus.RESOLVED, NOON)
