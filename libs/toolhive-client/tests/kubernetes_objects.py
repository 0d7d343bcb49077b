"""Resources of ToolHive's operator as the API server of Kubernetes has them, with secrets where there may be some."""

from typing import Any

Json = dict[str, Any]

SECRET = "hunter2-in-clear"


def mcp_server(name: str = "github", namespace: str = "tools", **spec: Any) -> Json:
    """A container; the parts of `spec` with the value None are left out."""
    return _resource(
        "MCPServer",
        name,
        namespace,
        {
            "image": "ghcr.io/github/github-mcp-server:v0.22.0",
            "transport": "stdio",
            "proxyMode": "streamable-http",
            "proxyPort": 8080,
            "args": ["--token", SECRET],
            "env": [{"name": "TOKEN", "value": SECRET}],
            "secrets": [{"name": SECRET, "key": SECRET, "targetEnvName": "GITHUB_PERSONAL_ACCESS_TOKEN"}],
            "podTemplateSpec": {"spec": {"containers": [{"name": "mcp", "env": [{"value": SECRET}]}]}},
            "groupRef": {"name": "everyday"},
            **spec,
        },
        {"phase": "Ready", "url": f"http://mcp-{name}-proxy.{namespace}.svc.cluster.local:8080/mcp"},
    )


def mcp_remote_proxy(name: str = "notion", namespace: str = "tools", **spec: Any) -> Json:
    """A proxy in the cluster to a server elsewhere."""
    return _resource(
        "MCPRemoteProxy",
        name,
        namespace,
        {
            "remoteUrl": f"https://me:{SECRET}@mcp.notion.example/mcp?api_key={SECRET}&v=2#{SECRET}",
            "transport": "streamable-http",
            "oidcConfig": {"type": "inline", "inline": {"clientSecret": SECRET}},
            "headerForward": {"addPlaintextHeaders": {"X-API-Key": SECRET}},
            "groupRef": {"name": "everyday"},
            **spec,
        },
        {
            "phase": "Ready",
            "url": f"http://mcp-{name}-remote-proxy.{namespace}.svc.cluster.local:8080",
            "externalUrl": f"https://me:{SECRET}@proxy.example/",
        },
    )


def mcp_server_entry(name: str = "linear", namespace: str = "tools", **spec: Any) -> Json:
    """An entry of a catalogue, which runs nothing."""
    return _resource(
        "MCPServerEntry",
        name,
        namespace,
        {
            "remoteUrl": "https://mcp.linear.example/sse",
            "transport": "sse",
            "headerForward": {"addPlaintextHeaders": {"Authorization": f"Bearer {SECRET}"}},
            "groupRef": {"name": "everyday"},
            **spec,
        },
        {"phase": "Valid"},
    )


def with_phase(resource: Json, phase: str | None) -> Json:
    status = {key: value for key, value in resource["status"].items() if key != "phase"}
    return resource | {"status": status | ({"phase": phase} if phase is not None else {})}


def as_v1alpha1(resource: Json) -> Json:
    """The same resource in the older version, which has the name of the group, and another case in a name."""
    spec = dict(resource["spec"])
    spec["groupRef"] = spec["groupRef"]["name"]
    if "remoteUrl" in spec:
        spec["remoteURL"] = spec.pop("remoteUrl")
    return resource | {"apiVersion": "toolhive.stacklok.dev/v1alpha1", "spec": spec}


def _resource(kind: str, name: str, namespace: str, spec: Json, status: Json) -> Json:
    return {
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "0b6f7d0e-8a51-4a7e-9d0c-2f1d3c5b7a90",
            "resourceVersion": "48151",
            "generation": 2,
            "creationTimestamp": "2026-11-02T09:30:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET},
        },
        "spec": {key: value for key, value in spec.items() if value is not None},
        "status": {
            **status,
            "observedGeneration": 2,
            "message": f"the upstream said: bad token {SECRET}",
            "conditions": [{"type": "Ready", "status": "True", "message": SECRET}],
        },
    }
