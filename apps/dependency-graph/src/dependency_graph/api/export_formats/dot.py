"""DOT, the language of Graphviz (graphviz.org/doc/info/lang.html)."""

import json
from collections.abc import AsyncIterator

from dependency_graph.application.queries import WholeGraph


async def write_dot(graph: WholeGraph) -> AsyncIterator[str]:
    """Nodes are named by the ids of their services, with every backslash doubled; soft edges are dashed."""
    yield f"digraph services {{\n  generation={graph.generation};\n  rankdir=LR;\n  node [shape=box];\n"
    async for nodes in graph.nodes():
        yield "".join(map(_node, nodes))
    async for edges in graph.edges():
        yield "".join(map(_edge, edges))
    yield "}\n"


def _node(text: str) -> str:
    node = json.loads(text)
    # Labels may hold entities of HTML, so that an ampersand must be one.
    attributes = [f"label={_quoted(node['service_id'].replace('&', '&amp;'))}"]
    attributes += [
        f"{key}={_quoted(node[key])}" for key in ("team", "criticality", "service_type") if node[key]
    ]
    return f"  {_quoted(node['service_id'])} [{', '.join(attributes)}];\n"


def _edge(text: str) -> str:
    edge = json.loads(text)
    style = "solid" if edge["criticality"] == "hard" else "dashed"
    attributes = f"criticality={edge['criticality']}, communication_mode={edge['communication_mode']}"
    return f"  {_quoted(edge['source'])} -> {_quoted(edge['target'])} [{attributes}, style={style}];\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
