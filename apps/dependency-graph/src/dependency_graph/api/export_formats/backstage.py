"""Entities of the Backstage software catalogue, as YAML documents."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from dependency_graph.api.export_formats.entity_name import entity_name, owner_ref
from dependency_graph.application.queries import WholeGraph

# JSON is YAML but for these, which YAML wants escaped: they cannot be printed, or break lines.
_ESCAPED_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


async def write_backstage(graph: WholeGraph) -> AsyncIterator[str]:
    """Services as Components, and what is no service of ours as Resources, with what they depend on."""
    yield f"# generation: {graph.generation}\n"
    async for nodes in graph.nodes_with_targets():
        yield "".join(_entity(json.loads(node), json.loads(targets)) for node, targets in nodes)


def _entity(node: Mapping[str, Any], targets: list[tuple[str, str]]) -> str:
    service_id, service_type = node["service_id"], node["service_type"]
    lines = [
        "---",
        "apiVersion: backstage.io/v1alpha1",
        f"kind: {_kind(service_type)}",
        "metadata:",
        f"  name: {_scalar(entity_name(service_id))}",
        f"  title: {_scalar(service_id)}",
        *_description(node["metadata"]),
        "  annotations:",
        f"    fleet/service-id: {_scalar(service_id)}",
        f"    fleet/criticality: {node['criticality']}",
        "spec:",
        f"  type: {'service' if service_type == 'internal' else service_type}",
        *(["  lifecycle: production"] if service_type == "internal" else []),
        f"  owner: {_scalar(owner_ref(node['team']))}",
        *(["  dependsOn:"] if targets else []),
        *[f"    - {_scalar(_ref(*target))}" for target in targets],
    ]
    return "\n".join(lines) + "\n"


def _kind(service_type: str) -> str:
    return "Component" if service_type == "internal" else "Resource"


def _ref(service_id: str, service_type: str) -> str:
    return f"{_kind(service_type).lower()}:default/{entity_name(service_id)}"


def _description(metadata: Mapping[str, Any]) -> list[str]:
    description = metadata.get("description")
    return [f"  description: {_scalar(description)}"] if description and isinstance(description, str) else []


def _scalar(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
