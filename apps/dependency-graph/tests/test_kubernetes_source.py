"""What is made of ToolHive's resources in Kubernetes."""

from collections.abc import AsyncGenerator

import pytest
from kubernetes_objects import Json, mcp_remote_proxy, mcp_server, mcp_server_entry, with_phase
from kubernetes_server import KubernetesServer, kubernetes_server, status
from toolhive_server import REGISTRY, ToolhiveServer

from dependency_graph.application.ports import ObservedWorkload
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import WorkloadKey
from dependency_graph.infrastructure.toolhive_source import ToolhiveSource, Wanted
from toolhive_client import KubernetesClient, ToolhiveClient

NOTION_URL = "https://mcp.notion.example/mcp"


@pytest.fixture
async def kubernetes() -> AsyncGenerator[KubernetesServer]:
    async with kubernetes_server() as server:
        yield server


@pytest.fixture
async def client(kubernetes: KubernetesServer) -> AsyncGenerator[KubernetesClient]:
    async def at_once(_seconds: float) -> None:
        """Not at all."""

    async with KubernetesClient(kubernetes.url, sleep=at_once) as client:
        yield client


@pytest.fixture
def source(toolhive_client: ToolhiveClient, client: KubernetesClient) -> ToolhiveSource:
    return ToolhiveSource(toolhive_client, client, Wanted())


async def _names(source: ToolhiveSource) -> list[str]:
    return [workload.key.full_name for workload in (await source.workloads()).workloads]


async def test_resources_come_with_their_namespace_and_what_they_are_made_from(
    kubernetes: KubernetesServer, source: ToolhiveSource, toolhive: ToolhiveServer
) -> None:
    kubernetes.serve("mcpservers", with_phase(mcp_server("github"), "Stopped"))
    kubernetes.serve("mcpremoteproxies", mcp_remote_proxy("notion", remoteUrl=NOTION_URL, tools=["find"]))
    observed = await source.workloads()
    assert (observed.runtime, observed.complete, observed.empty, observed.warnings) == (
        "k8s",
        True,
        False,
        (),
    )
    github, notion = observed.workloads
    assert github == ObservedWorkload(
        WorkloadKey("k8s", "tools", "github"),
        "ghcr.io/github/github-mcp-server:v0.22.0",
        remote=False,
        status="stopped",
        transport="stdio",
        proxy_mode="streamable-http",
        url="http://mcp-github-proxy.tools.svc.cluster.local:8080/mcp",
        group="everyday",
    )
    assert (notion.key.full_name, notion.remote, notion.package) == ("tools/notion", True, NOTION_URL)
    assert notion.tools == ("find",)
    assert not toolhive.asked


async def test_one_name_may_stand_in_several_namespaces(
    kubernetes: KubernetesServer, source: ToolhiveSource
) -> None:
    kubernetes.serve("mcpservers", *[mcp_server("github", namespace) for namespace in ("tools", "ops")])
    assert await _names(source) == ["tools/github", "ops/github"]


async def test_what_is_not_wanted_is_left_out_in_every_namespace(
    kubernetes: KubernetesServer, toolhive_client: ToolhiveClient, client: KubernetesClient
) -> None:
    names = [("inspector", "tools"), ("inspector", "ops"), ("inspector2", "tools"), ("github", "ops")]
    kubernetes.serve("mcpservers", *[mcp_server(*name) for name in names])
    kubernetes.serve("mcpserverentries", mcp_server_entry("linear", groupRef={"name": "other"}))
    source = ToolhiveSource(toolhive_client, client, Wanted(["inspector"], ["everyday"]))
    assert await _names(source) == ["tools/inspector2", "ops/github"]


@pytest.mark.parametrize("spec", [{"remoteUrl": None}, {"remoteUrl": ""}, {"remoteUrl": "no URL"}])
async def test_what_leads_nowhere_yet_is_made_from_nothing_that_is_known(
    kubernetes: KubernetesServer, source: ToolhiveSource, spec: Json
) -> None:
    kubernetes.serve("mcpserverentries", mcp_server_entry(**spec))
    observed = await source.workloads()
    assert [(told.key.name, told.package) for told in observed.workloads] == [("linear", None)]
    assert observed.complete


async def test_a_resource_that_cannot_be_read_is_told_and_none_at_all_is_empty(
    kubernetes: KubernetesServer, source: ToolhiveSource
) -> None:
    observed = await source.workloads()
    assert (observed.workloads, observed.empty, observed.complete) == ([], True, True)
    kubernetes.serve("mcpservers", {"metadata": {"name": "github"}})
    observed = await source.workloads()
    assert (observed.workloads, observed.empty, observed.complete) == ([], False, False)
    assert observed.warnings == [
        "1 could not be read and so nothing is removed; the log names each bad workload"
    ]


async def test_a_list_that_fails_fails_the_whole_and_says_what_to_do(
    kubernetes: KubernetesServer, source: ToolhiveSource
) -> None:
    kubernetes.serve("mcpservers", mcp_server())
    kubernetes.answer_instead("mcpremoteproxies", *[status(500)] * 3)
    with pytest.raises(SourceFailed, match="500"):
        await source.workloads()
    assert await _names(source) == ["tools/github"]


async def test_a_cluster_without_the_operator_says_what_to_do(
    kubernetes: KubernetesServer, source: ToolhiveSource
) -> None:
    kubernetes.lists.clear()
    with pytest.raises(SourceFailed, match="install the CRDs"):
        await source.workloads()


async def test_the_registry_is_that_of_toolhive(
    kubernetes: KubernetesServer, source: ToolhiveSource, toolhive: ToolhiveServer
) -> None:
    assert (await source.registry()).entries
    assert (toolhive.asked, kubernetes.asked) == ({REGISTRY: 1}, [])
