"""Which resources of the operator are not read at all; see also test_kubernetes_client."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_objects import Json, mcp_remote_proxy, mcp_server
from pydantic import ValidationError

from toolhive_client.kubernetes.resources import KINDS, read_workload

SERVER, PROXY, _ = KINDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("name", "namespace"), [("a", "a"), ("0", "0"), ("a.b-c.9", "b-c9"), ("a" * 253, "a" * 63)]
)
def test_a_name_that_kubernetes_allows_is_read(name: str, namespace: str) -> None:
    workload = read_workload(SERVER, mcp_server(name, namespace))
    assert (workload.name, workload.namespace) == (name, namespace)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a/b", "a b", "A", "é", "a\n", "a" * 254, 7, None, ["a"]], ids=repr
)
def test_a_name_that_kubernetes_never_gave_is_refused(name: Any) -> None:
    with pytest.raises(ValidationError):
        read_workload(SERVER, mcp_server(name))


@pytest.mark.parametrize("namespace", ["", "a.b", "a/b", "a" * 64, 7, None], ids=repr)
def test_a_namespace_that_kubernetes_never_gave_is_refused(namespace: Any) -> None:
    with pytest.raises(ValidationError):
        read_workload(SERVER, mcp_server("github", namespace))


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "github"}},
        {"metadata": None},
        {"spec": []},
        {"status": "Ready"},
        {"status": {"phase": 1}},
        {"status": {"url": ["http://x"]}},
        *({"spec": {field: 1}} for field in ("image", "remoteUrl", "remoteURL", "transport", "proxyMode")),
        *({"spec": {"groupRef": group}} for group in (1, ["infra"], {"name": 1})),
        *({"spec": {"tools": tools}} for tools in ("search", [1], {"search": 1}, [None])),
    ],
    ids=str,
)
def test_a_field_of_the_wrong_type_is_refused(change: Json) -> None:
    with pytest.raises(ValidationError):
        read_workload(SERVER, mcp_server() | change)


@given(JSON)
def test_whatever_stands_for_a_resource_is_read_or_refused(item: Any) -> None:
    with pytest.raises(ValidationError):
        read_workload(SERVER, item)


@given(st.dictionaries(st.sampled_from(["image", "remoteUrl", "groupRef", "tools", "transport"]), JSON))
def test_whatever_stands_in_a_specification_is_read_or_refused(spec: Json) -> None:
    try:
        workload = read_workload(PROXY, mcp_remote_proxy() | {"spec": spec})
    except ValidationError:
        return
    assert (workload.name, workload.remote) == ("notion", True)
