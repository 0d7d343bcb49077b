"""A 404 is a kind that is not installed, unless it was there before: then nothing may be removed for it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from kubernetes_objects import mcp_server
from kubernetes_server import KubernetesServer, kubernetes_server, listed, status

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.client import KubernetesClient

PLURALS = ["mcpservers", "mcpremoteproxies", "mcpserverentries"]
GONE = r"404 to a list of {}, which it had before.* If it was removed for good, restart the service\."


@pytest.fixture
async def server() -> AsyncGenerator[KubernetesServer]:
    async with kubernetes_server() as server:
        yield server


@pytest.fixture
async def client(server: KubernetesServer, tmp_path: Path) -> AsyncGenerator[KubernetesClient]:
    missing = tmp_path / "none"
    async with KubernetesClient(server.url, token_file=missing, ca_file=missing) as client:
        yield client


@pytest.mark.parametrize("plural", PLURALS)
async def test_a_kind_that_was_there_before_fails_the_listing(
    client: KubernetesClient, server: KubernetesServer, plural: str
) -> None:
    await client.list_workloads()
    server.answer_instead(plural, status(404), status(404))
    with pytest.raises(ToolhiveUnavailable, match=GONE.format(plural)):
        await client.list_workloads()
    assert not (await client.list_workloads()).workloads


async def test_so_does_one_that_was_there_when_another_failed(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.answer_instead("mcpremoteproxies", status(403))
    with pytest.raises(ToolhiveUnavailable, match="403"):
        await client.list_workloads()
    server.lists.clear()
    with pytest.raises(ToolhiveUnavailable, match=GONE.format("mcpservers")):
        await client.list_workloads()


async def test_a_kind_may_move_to_another_version(client: KubernetesClient, server: KubernetesServer) -> None:
    await client.list_workloads()
    server.lists.clear()
    for plural in PLURALS:
        server.serve(plural, version="v1alpha1")
    server.serve("mcpservers", mcp_server("github"), version="v1alpha1")
    assert len((await client.list_workloads()).workloads) == 1


async def test_a_kind_that_is_installed_later_is_read_from_then_on(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    server.lists.clear()
    server.serve("mcpserverentries")
    assert not (await client.list_workloads()).workloads
    server.serve("mcpservers", mcp_server("github"))
    assert len((await client.list_workloads()).workloads) == 1


async def test_a_page_that_is_missing_is_a_failure_at_once(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    first = listed("mcpservers", mcp_server("github"), metadata={"continue": "1"})
    server.answer_instead("mcpservers", first, status(404))
    with pytest.raises(ToolhiveUnavailable, match="404 to the rest of a list of mcpservers"):
        await client.list_workloads()
    assert len(server.asked_for("mcpservers")) == 2


async def test_a_kind_of_which_one_page_was_read_was_there(
    client: KubernetesClient, server: KubernetesServer
) -> None:
    first = listed("mcpservers", mcp_server("github"), metadata={"continue": "1"})
    server.answer_instead("mcpservers", first, status(410), status(404), status(404))
    with pytest.raises(ToolhiveUnavailable, match=GONE.format("mcpservers")):
        await client.list_workloads()
