"""A flowchart of Mermaid (mermaid.js.org), as GitHub and GitLab draw it."""

import json
import re
from collections.abc import AsyncIterator

from dependency_graph.api.export_formats.node_name import node_name
from dependency_graph.application.queries import WholeGraph

# Labels are Markdown: dots, underscores and a dash in front could make lists and emphasis of them. A colon, as
# Mermaid drops the semicolon of an entity that follows "style" and a colon in one line.
_NOT_PLAIN = re.compile(r"[^\w /-]|_|^-")


async def write_mermaid(graph: WholeGraph) -> AsyncIterator[str]:
    """A box for each service, labelled with its id; soft dependencies are dotted."""
    yield f"flowchart LR\n%% generation {graph.generation}\n"
    async for nodes in graph.nodes():
        yield "".join(map(_node, nodes))
    async for edges in graph.edges():
        yield "".join(map(_edge, edges))


def _node(text: str) -> str:
    service_id = json.loads(text)["service_id"]
    return f'  {node_name(service_id)}["{_NOT_PLAIN.sub(_entity, service_id)}"]\n'


def _edge(text: str) -> str:
    edge = json.loads(text)
    arrow = "-->" if edge["criticality"] == "hard" else "-.->"
    return f"  {node_name(edge['source'])} {arrow} {node_name(edge['target'])}\n"


def _entity(found: re.Match[str]) -> str:
    return f"#{ord(found[0])};"
