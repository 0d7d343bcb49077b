"""How the resources of the operator are read as workloads."""

from dataclasses import astuple
from typing import Any

import pytest
from kubernetes_objects import (
    SECRET,
    Json,
    as_v1alpha1,
    mcp_remote_proxy,
    mcp_server,
    mcp_server_entry,
    with_phase,
)

from toolhive_client.kubernetes.resources import KINDS, Kind, read_workload
from toolhive_client.models import Workload

SERVER, PROXY, ENTRY = KINDS
MADE = [(SERVER, mcp_server()), (PROXY, mcp_remote_proxy()), (ENTRY, mcp_server_entry())]


def read_server(**spec: Any) -> Workload:
    return read_workload(SERVER, mcp_server(**spec))


def test_a_server_is_a_container_with_its_image_and_the_address_of_its_proxy() -> None:
    assert read_workload(SERVER, mcp_server("github", "tools")) == Workload(
        name="github",
        namespace="tools",
        status="running",
        transport="stdio",
        proxy_mode="streamable-http",
        url="http://mcp-github-proxy.tools.svc.cluster.local:8080/mcp",
        image="ghcr.io/github/github-mcp-server:v0.22.0",
        group="everyday",
    )


def test_a_proxy_is_remote_and_tells_where_it_leads_to() -> None:
    proxy = read_workload(
        PROXY, mcp_remote_proxy("notion", "tools", remoteUrl="https://mcp.notion.example/mcp")
    )
    assert proxy == Workload(
        name="notion",
        namespace="tools",
        status="running",
        remote=True,
        transport="streamable-http",
        url="http://mcp-notion-remote-proxy.tools.svc.cluster.local:8080",
        upstream_url="https://mcp.notion.example/mcp",
        group="everyday",
    )


def test_an_entry_is_remote_and_has_no_address_of_its_own() -> None:
    assert read_workload(ENTRY, mcp_server_entry("linear", "tools")) == Workload(
        name="linear",
        namespace="tools",
        status="running",
        remote=True,
        transport="sse",
        upstream_url="https://mcp.linear.example/sse",
        group="everyday",
    )


@pytest.mark.parametrize(("kind", "resource"), MADE, ids=lambda value: getattr(value, "name", ""))
def test_the_older_version_says_the_same(kind: Kind, resource: Json) -> None:
    assert read_workload(kind, as_v1alpha1(resource)) == read_workload(kind, resource)


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        ("Pending", "starting"),
        ("Ready", "running"),
        ("Running", "running"),
        ("Valid", "running"),
        ("Failed", "error"),
        ("Terminating", "stopping"),
        ("Stopped", "stopped"),
        ("Resting", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_phase_has_a_word_of_the_api_server_of_toolhive(phase: str | None, status: str) -> None:
    assert read_workload(SERVER, with_phase(mcp_server(), phase)).status == status


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": {}}, {"status": {"url": None}}], ids=str)
def test_a_resource_that_no_controller_saw_yet_has_no_status_and_no_address(status: Json) -> None:
    workload = read_workload(SERVER, {"metadata": mcp_server()["metadata"], **status})
    assert workload == Workload(name="github", namespace="tools")


@pytest.mark.parametrize(
    "reference", [{"name": "infra"}, "infra", {"name": "infra", "kind": "MCPGroup"}], ids=str
)
def test_a_group_is_named_by_an_object_or_by_a_text(reference: object) -> None:
    assert read_server(groupRef=reference).group == "infra"


@pytest.mark.parametrize("reference", [None, "", {}, {"name": ""}, {"name": None}], ids=str)
def test_no_group_is_named(reference: object) -> None:
    resource = mcp_server()
    resource["spec"]["groupRef"] = reference
    assert read_workload(SERVER, resource).group is None


@pytest.mark.parametrize("name", ["tools", "toolsFilter"])
def test_the_tools_that_are_let_through_are_told(name: str) -> None:
    assert read_server(**{name: ["search", "fetch"]}).tools == ("search", "fetch")


def test_no_tools_are_told_where_all_are_let_through() -> None:
    resource = mcp_server()
    resource["spec"]["tools"] = None
    assert read_workload(SERVER, resource).tools == ()


def test_an_upstream_url_is_cleaned() -> None:
    resource = mcp_remote_proxy(remoteUrl=f"https://me:{SECRET}@mcp.example/mcp?token={SECRET}&v=2#{SECRET}")
    url = read_workload(PROXY, resource).upstream_url
    assert url
    assert url.startswith("https://mcp.example/mcp?token=")
    assert url.endswith("&v=2")


def test_the_address_of_a_proxy_is_cleaned() -> None:
    resource = mcp_server()
    resource["status"]["url"] = f"http://me:{SECRET}@proxy.example/sse#{SECRET}"
    assert read_workload(SERVER, resource).url == "http://proxy.example/sse"


def test_a_url_that_nothing_can_be_said_of_is_not_kept() -> None:
    workload = read_workload(PROXY, mcp_remote_proxy(remoteUrl=f"https://[{SECRET}/mcp"))
    assert (workload.remote, workload.upstream_url) == (True, None)


@pytest.mark.parametrize(("kind", "resource"), MADE, ids=lambda value: getattr(value, "name", ""))
def test_no_secret_is_kept(kind: Kind, resource: Json) -> None:
    assert SECRET in repr(resource)
    assert SECRET not in repr(read_workload(kind, resource))


@pytest.mark.parametrize(
    ("field", "most"), [("transport", 64), ("proxyMode", 64), ("groupRef", 253), ("image", 512)]
)
def test_a_text_that_is_too_long_is_not_kept(field: str, most: int) -> None:
    assert "a" * most in astuple(read_server(**{field: "a" * most}))
    assert not any("aa" in str(value) for value in astuple(read_server(**{field: "a" * (most + 1)})))


@pytest.mark.parametrize("field", ["transport", "proxyMode", "groupRef", "image"])
def test_a_text_that_cannot_be_printed_is_not_kept(field: str) -> None:
    assert not any("zq" in str(value) for value in astuple(read_server(**{field: "zq\0"})))


def test_an_image_that_holds_credentials_is_not_kept() -> None:
    assert read_server(image=f"me:{SECRET}@registry.example/image").image is None
