"""Cycles that take in workloads and the registry."""

from dataclasses import replace

import pytest
from factories import NOON, batch, later
from inventory_cycles import FETCH, GITHUB, GITHUB_URL, Inventory, container, in_kubernetes, remote

from dependency_graph.application.ingest import ingest
from dependency_graph.domain.mcp_server import Match, McpServer, RegistryEntry, WorkloadKey


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


SPELLINGS = [
    GITHUB_URL,
    "HTTPS://API.GitHubCopilot.com/mcp",
    "https://api.githubcopilot.com:443/mcp",
    "https://api.githubcopilot.com/mcp/",
    "https://api.githubcopilot.com/%6dcp",
    "https://api.githubcopilot.com/mcp#here",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_remote_workload_of_a_name_of_its_own_is_matched_by_url_and_survives_every_cycle(
    inventory: Inventory, spelling: str
) -> None:
    await inventory.describes(GITHUB, FETCH)
    for _ in range(20):
        await inventory.lists(remote("custom-github", spelling), container("web"))
        await inventory.lists(remote("custom-github", None), complete=False)
        await inventory.describes(GITHUB, FETCH)
        assert inventory.matches == {"custom-github": Match("github"), "web": Match("fetch")}
    assert inventory.pairs == {("mcp:custom-github", "remote:api.githubcopilot.com")}


async def test_a_cycle_stores_what_was_seen_and_tells_how_much(inventory: Inventory) -> None:
    await inventory.describes(GITHUB)
    seen = remote(
        "hub",
        transport="streamable-http",
        proxy_mode="sse",
        url="http://127.0.0.1:9/mcp",
        group="default",
        tools=("a", "b"),
    )
    changes = await inventory.lists(seen, container("own", "me/own"), remote("new", None), warnings=("w",))
    assert changes == {
        "workloads_seen": 3,
        "workloads_upserted": 2,
        "workloads_removed": 0,
        "workloads_not_in_registry": 1,
        "details_missing": 1,
        "services_upserted": 3,
        "services_removed": 0,
        "dependencies_upserted": 1,
        "dependencies_removed": 0,
        "cycles_found": 0,
        "generation": 1,
        "warnings": [
            "w",
            "what these were made from could not be told, and is asked again next time: 'new'",
        ],
    }
    assert inventory.server("hub") == McpServer(
        WorkloadKey("docker", "", "hub"),
        GITHUB_URL,
        remote=True,
        status="running",
        transport="streamable-http",
        proxy_mode="sse",
        url="http://127.0.0.1:9/mcp",
        group="default",
        tools=("a", "b"),
        match=Match("github"),
    )


async def test_a_cycle_that_finds_nothing_changed_writes_nothing(inventory: Inventory) -> None:
    workloads = remote("hub"), container("web"), remote("new", None)
    await inventory.describes(GITHUB, FETCH)
    await inventory.lists(*workloads)
    writes, counted = inventory.graph.writes, list(inventory.graph.counted)
    listed = await inventory.lists(*workloads)
    described = await inventory.describes(FETCH, GITHUB)
    assert inventory.graph.writes == writes
    assert inventory.graph.counted == counted
    assert inventory.graph.generation.value == listed["generation"] == 1
    assert (listed["workloads_upserted"], described["entries_upserted"]) == (0, 0)


async def test_only_what_changed_is_written(inventory: Inventory) -> None:
    await inventory.lists(container("a"), container("b"))
    changes = await inventory.lists(container("a"), replace(container("b"), status="stopped"))
    assert (changes["workloads_upserted"], changes["generation"]) == (1, 1)
    assert inventory.server("b").status == "stopped"


async def test_details_not_to_be_had_leave_package_and_match_while_the_rest_follows_the_list(
    inventory: Inventory,
) -> None:
    await inventory.describes(GITHUB)
    await inventory.lists(remote("hub"), container("web"))
    untold = replace(remote("hub", None, url="http://127.0.0.1:10/mcp", group="red"), status="error")
    changes = await inventory.lists(untold, container("web", "mcp/fetch:2"))
    hub = inventory.server("hub")
    assert (hub.package, hub.remote, hub.match) == (GITHUB_URL, True, Match("github"))
    assert (hub.status, hub.url, hub.group) == ("error", "http://127.0.0.1:10/mcp", "red")
    assert inventory.server("web").package == "mcp/fetch:2"
    assert changes["details_missing"] == 1


async def test_a_workload_is_not_stored_before_its_details_are_known(inventory: Inventory) -> None:
    for _ in range(3):
        await inventory.lists(remote("new", None), container("web"))
        assert inventory.names == ["web"]
    await inventory.lists(remote("new"), container("web"))
    assert inventory.names == ["new", "web"]


async def test_a_workload_made_anew_under_its_name_gets_the_match_of_its_new_package(
    inventory: Inventory,
) -> None:
    await inventory.describes(GITHUB, FETCH)
    await inventory.lists(container("x"))
    assert inventory.matches == {"x": Match("fetch")}
    await inventory.lists(remote("x"))
    assert inventory.matches == {"x": Match("github")}
    await inventory.lists(container("x", "me/own"))
    assert inventory.matches == {"x": Match()}


async def test_several_workloads_may_match_one_entry(inventory: Inventory) -> None:
    await inventory.describes(GITHUB)
    await inventory.lists(*[remote(f"hub-{n}", spelling) for n, spelling in enumerate(SPELLINGS)])
    assert set(inventory.matches.values()) == {Match("github")}


async def test_a_workload_is_stored_without_an_entry(inventory: Inventory) -> None:
    changes = await inventory.lists(remote("hub"), container("web"))
    assert (inventory.names, changes["workloads_not_in_registry"]) == (["hub", "web"], 2)


async def test_a_stopped_workload_stays(inventory: Inventory) -> None:
    stopped = replace(container("web"), status="stopped")
    for _ in range(3):
        await inventory.lists(stopped)
    assert inventory.server("web").status == "stopped"


async def test_a_registry_that_comes_after_the_workloads_matches_those_of_all_runtimes(
    inventory: Inventory,
) -> None:
    await inventory.lists(remote("hub"))
    await inventory.lists(in_kubernetes(remote("hub")), runtime="k8s")
    changes = await inventory.describes(GITHUB, FETCH, warnings=("w",))
    assert changes == {
        "entries_seen": 2,
        "entries_upserted": 2,
        "entries_removed": 0,
        "workloads_relinked": 2,
        "warnings": ["w"],
    }
    assert inventory.matches == {"hub": Match("github"), "tools/hub": Match("github")}


async def test_the_registry_moves_to_a_new_url_and_the_workload_follows(inventory: Inventory) -> None:
    new = "https://mcp.github.example/mcp"
    await inventory.describes(GITHUB)
    await inventory.lists(remote("hub"))
    await inventory.describes(RegistryEntry("github", urls=(new,)))
    assert inventory.matches == {"hub": Match()}
    await inventory.lists(remote("hub"))
    assert inventory.matches == {"hub": Match()}
    await inventory.lists(remote("hub", new))
    assert inventory.matches == {"hub": Match("github")}


async def test_an_entry_that_is_back_gets_its_workloads_back(inventory: Inventory) -> None:
    await inventory.describes(GITHUB, FETCH)
    await inventory.lists(remote("hub"))
    await inventory.describes(FETCH)
    await inventory.describes(GITHUB, FETCH)
    assert inventory.matches == {"hub": Match("github")}


async def test_a_changed_entry_is_replaced(inventory: Inventory) -> None:
    await inventory.describes(GITHUB, FETCH)
    changes = await inventory.describes(replace(GITHUB, tier="Official"), FETCH)
    assert (changes["entries_upserted"], changes["workloads_relinked"]) == (1, 0)
    assert inventory.graph.known_entries["github"].tier == "Official"


async def test_a_registry_cycle_leaves_the_graph_alone(inventory: Inventory) -> None:
    await ingest(batch("ab"), inventory.graph, NOON)
    await inventory.lists(remote("hub"))
    generation = inventory.graph.generation.value
    inventory.now = later(1000)
    await inventory.describes(GITHUB)
    assert inventory.graph.generation.value == generation
