"""Half of a surrogate pair, which JSON may have and a text may not, spoils no more than the item that it is in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_objects import mcp_server
from kubernetes_server import kubernetes_server
from structlog.testing import capture_logs
from toolhive_answers import Json, upstream_server
from toolhive_server import GROUPS, REGISTRY, ToolhiveServer

from toolhive_client import Listing, ToolhiveClient, Workload
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.reading.json_document import document_in
from toolhive_client.reading.unreadable import Strange

HALF = "\ud800"

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


async def test_of_the_workloads_only_the_one_of_that_name_cannot_be_read(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.workloads = [{"name": "good"}, {"name": HALF}, {"name": "better", "labels": {HALF: HALF}}]
    with capture_logs() as logs:
        listing = await client.list_workloads()
    assert listing == Listing((Workload("good"), Workload("better")), 1)
    assert [(log["names"], log["positions"]) for log in logs] == [([None], [1])]


async def test_of_other_fields_it_is_left_out(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    texts = ("status", "url", "package", "group", "transport_type", "proxy_mode")
    toolhive.workloads = [
        {"name": "good", "tools": [HALF, "one"], **dict.fromkeys(texts, f"http://a/{HALF}")}
    ]
    assert await client.list_workloads() == Listing((Workload("good", tools=("one",)),))


async def test_of_the_groups_only_that_one_is_left_out(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.fail(GROUPS, 200, {"groups": [{"name": HALF}, {"name": "default"}]})
    assert await client.list_groups() == ("default",)


@pytest.mark.parametrize(
    "document",
    [
        {"servers": {HALF: {}, "good": {}}},
        {"servers": [upstream_server(HALF), upstream_server("good")]},
    ],
    ids=["map", "list"],
)
async def test_of_the_registry_only_that_entry_cannot_be_read(
    client: ToolhiveClient, toolhive: ToolhiveServer, document: Json
) -> None:
    toolhive.fail(REGISTRY, 200, document)
    registry = await client.get_registry()
    assert ([server.name for server in registry.servers], registry.unreadable) == (["good"], 1)


async def test_of_the_resources_of_kubernetes_only_that_one_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    async with kubernetes_server() as server:
        server.serve("mcpservers", mcp_server("good"), mcp_server(HALF))
        async with KubernetesClient(server.url, token_file=missing, ca_file=missing) as client:
            listing = await client.list_workloads()
    assert ([workload.name for workload in listing.workloads], listing.unreadable) == (["good"], 1)


@given(JSON)
def test_every_document_is_read_as_it_was_written(document: Any) -> None:
    assert document_in(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b'["\\ud800"', b'["\\ud800", ' + b"[" * 100_000],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_document_is_strange(body: bytes) -> None:
    with pytest.raises(Strange):
        document_in(body)
