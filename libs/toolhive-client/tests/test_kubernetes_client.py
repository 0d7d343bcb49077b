"""What a listing of the operator's resources tells."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_objects import SECRET, as_v1alpha1, mcp_remote_proxy, mcp_server, mcp_server_entry
from kubernetes_server import KubernetesServer, kubernetes_server, listed, status
from loopback_http import in_json
from structlog.testing import capture_logs

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.models import Listing

PLURALS = ["mcpservers", "mcpremoteproxies", "mcpserverentries"]
OLD, NEW = "v1alpha1", "v1beta1"


@pytest.fixture
async def server() -> AsyncGenerator[KubernetesServer]:
    async with kubernetes_server() as server:
        yield server


@pytest.fixture
async def client(server: KubernetesServer, tmp_path: Path) -> AsyncGenerator[KubernetesClient]:
    async with KubernetesClient(
        server.url, token_file=tmp_path / "none", ca_file=tmp_path / "none"
    ) as client:
        yield client


def names(listing: Listing) -> list[str]:
    return [f"{workload.namespace}/{workload.name}" for workload in listing.workloads]


def paths(server: KubernetesServer, plural: str) -> list[str]:
    return [asked.path.split("/")[3] for asked in server.asked_for(plural)]


async def test_resources_of_all_kinds_and_namespaces_are_told(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.serve("mcpservers", mcp_server("github", "tools"), mcp_server("github", "staging"))
    server.serve("mcpremoteproxies", mcp_remote_proxy("notion", "tools"))
    server.serve("mcpserverentries", mcp_server_entry("linear", "tools"))
    listing = await client.list_workloads()
    assert names(listing) == ["tools/github", "staging/github", "tools/notion", "tools/linear"]
    assert listing.unreadable == 0
    assert SECRET not in repr(listing)


async def test_a_cluster_without_any_object_has_an_empty_listing(client: KubernetesClient) -> None:
    assert await client.list_workloads() == Listing(())


async def test_a_list_of_null_is_empty(client: KubernetesClient, server: KubernetesServer) -> None:
    server.answer_instead("mcpservers", in_json({"kind": "MCPServerList", "items": None}))
    assert await client.list_workloads() == Listing(())


async def test_the_newer_version_is_asked_for_first(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.serve("mcpservers", mcp_server("new"))
    server.serve("mcpservers", mcp_server("old"), version=OLD)
    assert names(await client.list_workloads()) == ["tools/new"]
    assert paths(server, "mcpservers") == [NEW]


async def test_each_kind_is_read_in_the_version_that_the_cluster_has(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.lists.clear()
    server.serve("mcpservers", mcp_server("github"))
    server.serve("mcpremoteproxies", as_v1alpha1(mcp_remote_proxy("notion")), version=OLD)
    listing = await client.list_workloads()
    assert names(listing) == ["tools/github", "tools/notion"]
    assert [workload.group for workload in listing.workloads] == ["everyday", "everyday"]
    assert [paths(server, plural) for plural in PLURALS] == [[NEW], [NEW, OLD], [NEW, OLD]]


async def test_a_kind_that_is_not_installed_has_no_workloads(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.lists.clear()
    server.serve("mcpserverentries")
    assert await client.list_workloads() == Listing(())


async def test_a_cluster_that_knows_none_of_the_kinds_has_no_operator(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.lists.clear()
    with pytest.raises(ToolhiveUnavailable, match="install the CRDs of ToolHive's operator"):
        await client.list_workloads()


async def test_a_group_is_that_of_any_namespace(client: KubernetesClient, server: KubernetesServer) -> None:
    server.serve(
        "mcpservers",
        mcp_server("a", "tools", groupRef={"name": "infra"}),
        mcp_server("b", "staging", groupRef="infra"),
        mcp_server("c", groupRef={"name": "infra-2"}),
        mcp_server("d", groupRef=None),
    )
    assert names(await client.list_workloads("infra")) == ["tools/a", "staging/b"]
    assert names(await client.list_workloads("none")) == []


@pytest.mark.parametrize(("number", "pages"), [(499, 1), (500, 1), (501, 2), (1001, 3)])
async def test_a_long_list_is_read_in_pages(
    client: KubernetesClient, server: KubernetesServer, number: int, pages: int
) -> None:
    server.serve("mcpservers", *(mcp_server(f"server-{each}") for each in range(number)))
    listing = await client.list_workloads()
    assert names(listing) == [f"tools/server-{each}" for each in range(number)]
    assert [asked.params["limit"] for asked in server.asked_for("mcpservers")] == ["500"] * pages


async def test_twenty_pages_are_read_and_no_more(client: KubernetesClient, server: KubernetesServer) -> None:
    server.page_size = 1
    server.serve("mcpservers", *(mcp_server(f"server-{each}") for each in range(20)))
    assert len((await client.list_workloads()).workloads) == 20
    server.serve("mcpservers", *(mcp_server(f"server-{each}") for each in range(21)))
    with pytest.raises(ToolhiveUnavailable, match="mcpservers on more than 20 pages of 500"):
        await client.list_workloads()


async def test_a_list_that_expired_while_it_was_read_is_read_anew(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.serve("mcpservers", mcp_server("github"), mcp_server("gitlab"))
    first = listed("mcpservers", mcp_server("gone"), metadata={"continue": "stale"})
    server.answer_instead("mcpservers", first, status(410))
    assert names(await client.list_workloads()) == ["tools/github", "tools/gitlab"]
    assert [asked.params.get("continue") for asked in server.asked_for("mcpservers")] == [None, "stale", None]


async def test_a_list_that_expires_twice_is_a_failure(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    first = listed("mcpservers", mcp_server("gone"), metadata={"continue": "stale"})
    server.answer_instead("mcpservers", first, status(410), first, status(410), first)
    with pytest.raises(ToolhiveUnavailable, match="expired twice"):
        await client.list_workloads()
    assert len(server.asked_for("mcpservers")) == 4


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (mcp_server("broken", image=[SECRET]), "tools/broken"),
        ({"metadata": {"name": "broken"}, "spec": {"env": [SECRET]}}, "broken"),
        ({"metadata": {"name": "", "namespace": "tools"}, "spec": {"env": [SECRET]}}, None),
        ({"metadata": {"name": f"\n{SECRET}", "namespace": 1}}, None),
        (SECRET, None),
        (None, None),
    ],
    ids=["a wrong type", "no namespace", "no name", "a name in two lines", "a text", "null"],
)
async def test_one_that_cannot_be_read_is_logged_by_name_and_counted(
    client: KubernetesClient, server: KubernetesServer, broken: Any, told: str | None
) -> None:
    server.serve("mcpservers", mcp_server("github"), broken, mcp_server("gitlab"))
    with capture_logs() as logs:
        listing = await client.list_workloads()
    assert (names(listing), listing.unreadable) == (["tools/github", "tools/gitlab"], 1)
    assert [(log["what"], log["names"]) for log in logs] == [("mcpservers", [told])]
    assert SECRET not in repr(logs)


async def test_a_name_that_several_kinds_have_is_that_of_the_first(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.serve("mcpservers", mcp_server("a"))
    server.serve("mcpremoteproxies", mcp_remote_proxy("a"), mcp_remote_proxy("b"))
    server.serve(
        "mcpserverentries", mcp_server_entry("a"), mcp_server_entry("b"), mcp_server_entry("b", "other")
    )
    with capture_logs() as logs:
        listing = await client.list_workloads()
    assert names(listing) == ["tools/a", "tools/b", "other/b"]
    assert [workload.image is not None for workload in listing.workloads] == [True, False, False]
    assert listing.workloads[1].url
    assert listing.unreadable == 0
    assert [log["names"] for log in logs] == [["tools/a"], ["tools/a", "tools/b"]]


async def test_the_kinds_are_asked_for_at_once(client: KubernetesClient, server: KubernetesServer) -> None:
    server.seconds = dict.fromkeys(PLURALS, 0.05)
    await client.list_workloads()
    assert server.most_at_once == 3


async def test_an_api_server_may_have_a_path(server: KubernetesServer, tmp_path: Path) -> None:
    server.lists = {f"/k8s/clusters/c-1{path}": resources for path, resources in server.lists.items()}
    for slash in ("", "/"):
        async with KubernetesClient(
            f"{server.url}/k8s/clusters/c-1{slash}", token_file=tmp_path / "none"
        ) as client:
            assert await client.list_workloads() == Listing(())


async def test_a_client_that_asked_nothing_can_be_closed() -> None:
    await KubernetesClient().close()
