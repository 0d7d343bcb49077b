"""What a ToolHive knows, in the shapes of its OpenAPI, with secrets wherever there may be some."""

import json
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

SECRET = "canary-5d41402abc"
"""It stands in everything that must not leave the client."""

DATA = Path(__file__).parents[4] / "shared" / "data"
"""Real answers of ToolHive's, where they are at hand."""

_PROXY_PORT = 20_000


def listed(name: str, *, upstream: str | None = None, image: str | None = None, **fields: Any) -> Json:
    """An item of the list of workloads, `core.Workload`; a remote one has an `upstream`, which is not told there."""
    return {
        "name": name,
        "package": image or "",
        "url": f"http://127.0.0.1:{_PROXY_PORT}/mcp",
        "port": _PROXY_PORT,
        "transport_type": "streamable-http",
        "proxy_mode": "streamable-http",
        "status": "running",
        "status_context": f"Up 3 minutes, token {SECRET}",
        "remote": upstream is not None,
        "group": "default",
        "tools": [],
        "labels": {"com.example.token": SECRET},
        "created_at": "2026-11-20T09:00:00Z",
        "started_at": "2026-11-20T09:00:00Z",
    } | fields


def detailed(name: str, *, upstream: str | None = None, image: str | None = None, **fields: Any) -> Json:
    """The details of a workload, `createRequest`, without secrets; of `fields` those that details have as well."""
    item = listed(name, upstream=upstream, image=image, **fields)
    told = {field: item[field] for field in ("name", "proxy_mode", "group", "tools")}
    told |= {"transport": item["transport_type"], "host": "127.0.0.1", "network_isolation": False}
    return told | ({"url": upstream} if upstream else {"image": image, "target_port": 8080})


def secrets_of_details() -> Json:
    """All fields of `createRequest` that may hold a secret."""
    parameter = {"name": SECRET, "target": SECRET}
    return {
        "env_vars": {"API_KEY": SECRET},
        "secrets": [parameter],
        "cmd_arguments": ["--token", SECRET],
        "volumes": [f"/home/{SECRET}:/data"],
        "authz_config": SECRET,
        "oidc": {
            "client_id": SECRET,
            "client_secret": SECRET,
            "issuer": f"https://user:{SECRET}@issuer.example",
        },
        "oauth_config": {
            "client_id": SECRET,
            "client_secret": parameter,
            "bearer_token": parameter,
            "token_url": f"https://issuer.example/token?client_secret={SECRET}",
            "oauth_params": {"assertion": SECRET},
        },
        "headers": [{"name": "Authorization", "default": f"Bearer {SECRET}", "secret": True}],
        "header_forward": {
            "add_plaintext_headers": {"X-API-Key": SECRET},
            "add_headers_from_secret": {"Authorization": SECRET},
        },
        "tools_override": {"search": {"name": SECRET, "description": SECRET}},
    }


def with_secrets(upstream: str) -> str:
    """The URL with a user, a password, and tokens in its query and fragment."""
    before, _, after = upstream.partition("://")
    more = "&" if "?" in after else "?"
    return f"{before}://user:{SECRET}@{after}{more}api_key={SECRET}&sig={SECRET}#access_token={SECRET}"


def legacy_registry() -> Json:
    """ToolHive's own registry, or else a small one in its format."""
    file = DATA / "toolhive-registry.json"
    registry = json.loads(file.read_text()) if file.exists() else SMALL_REGISTRY
    return {name: value for name, value in registry.items() if name != "$schema"}


def upstream_server(name: str, **fields: Any) -> Json:
    """A server of the upstream format; `fields` are `packages`, `remotes`, `_meta`, ..."""
    return {"name": name, "description": f"Serves {name}", "version": "1.0.0", **fields}


def oci(identifier: str, **fields: Any) -> Json:
    return {"registryType": "oci", "identifier": identifier, "transport": {"type": "stdio"}, **fields}


def upstream_registry() -> list[Json]:
    """An image, a remote, and what ToolHive adds to each."""
    image, url = "ghcr.io/example/notes:1.2.0", "https://notes.example.com/mcp"
    return [
        upstream_server(
            "io.github.example/notes-container",
            packages=[oci(image)],
            _meta=published(image, tier="Community", status="active", tags=["notes"], tools=["add_note"]),
        ),
        upstream_server(
            "io.github.example/notes",
            remotes=[{"type": "streamable-http", "url": url}],
            _meta=published(url, tier="Official", status="active", tags=["remote"], tools=["add_note"]),
        ),
    ]


def published(place: str, **extension: Any) -> Json:
    """What the publisher adds to the package or remote at `place`."""
    return {"io.modelcontextprotocol.registry/publisher-provided": {"io.github.stacklok": {place: extension}}}


SMALL_REGISTRY: Json = {
    "version": "1.0.0",
    "last_updated": "2026-11-20T09:00:00Z",
    "servers": {
        "fetch": {
            "description": "Fetches pages",
            "tier": "Community",
            "status": "Active",
            "transport": "stdio",
            "tools": ["fetch"],
            "tags": ["web"],
            "image": "ghcr.io/stackloklabs/gofetch/server:1.0.3",
            "repository_url": "https://github.com/StacklokLabs/gofetch",
            "env_vars": [{"name": "FETCH_TOKEN", "required": False, "secret": True}],
        }
    },
    "remote_servers": {
        "github-remote": {
            "description": "GitHub's own server",
            "tier": "Official",
            "status": "Active",
            "transport": "streamable-http",
            "tools": ["create_issue"],
            "tags": ["remote"],
            "url": "https://api.githubcopilot.com/mcp",
        }
    },
}
