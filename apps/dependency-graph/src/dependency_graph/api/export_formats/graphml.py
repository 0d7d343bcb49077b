"""GraphML (graphml.graphdrawing.org), as yEd, Gephi and NetworkX read it."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from dependency_graph.api.export_formats.node_name import node_name
from dependency_graph.application.queries import WholeGraph

_NODE_KEYS = {
    "service_id": "string",
    "id": "string",
    "team": "string",
    "criticality": "string",
    "service_type": "string",
    "metadata": "string",
    "discovered": "boolean",
}
_EDGE_KEYS = {
    "communication_mode": "string",
    "criticality": "string",
    "protocol": "string",
    "timeout_ms": "int",
    "retry_config": "string",
    "confidence_score": "double",
    "discovery_source": "string",
    "discovery_sources": "string",
    "request_rate": "double",
    "error_rate": "double",
    "p95_ms": "double",
    "last_observed_at": "string",
    "is_stale": "boolean",
}
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


async def write_graphml(graph: WholeGraph) -> AsyncIterator[str]:
    """Nodes have names of our own, as theirs may hold no spaces; the true id is the key `service_id`.

    Objects and lists are JSON. Characters that XML 1.0 has not become U+FFFD.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    yield "".join(_keys("graph", {"generation": "long"}))
    yield "".join([*_keys("node", _NODE_KEYS), *_keys("edge", _EDGE_KEYS)])
    yield f'<graph edgedefault="directed"><data key="graph.generation">{graph.generation}</data>\n'
    async for nodes in graph.nodes():
        yield "".join(map(_node, nodes))
    async for edges in graph.edges():
        yield "".join(map(_edge, edges))
    yield "</graph>\n</graphml>\n"


def _keys(owner: str, types: Mapping[str, str]) -> Iterable[str]:
    for name, kind in types.items():
        yield f'<key id="{owner}.{name}" for="{owner}" attr.name="{name}" attr.type="{kind}"/>\n'


def _node(text: str) -> str:
    node = json.loads(text)
    return f'<node id="{node_name(node["service_id"])}">{_data("node", _NODE_KEYS, node)}</node>\n'


def _edge(text: str) -> str:
    edge = json.loads(text)
    ends = f'source="{node_name(edge["source"])}" target="{node_name(edge["target"])}"'
    return f"<edge {ends}>{_data('edge', _EDGE_KEYS, edge)}</edge>\n"


def _data(owner: str, keys: Iterable[str], told: Mapping[str, Any]) -> str:
    return "".join(
        f'<data key="{owner}.{key}">{_escaped(told[key])}</data>' for key in keys if told[key] is not None
    )


def _escaped(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A parser would read a carriage return as a newline.
    return escape(_NOT_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})
