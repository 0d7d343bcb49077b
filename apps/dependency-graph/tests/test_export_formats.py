"""Every format of the whole graph, read back by a parser of its own."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import yaml
from fakes import MemoryWholeGraph
from hostile_graphs import graphs
from hypothesis import given, settings

from dependency_graph.api.export_formats.backstage import write_backstage
from dependency_graph.api.export_formats.dot import write_dot
from dependency_graph.api.export_formats.entity_name import entity_name
from dependency_graph.api.export_formats.graph_json import write_json
from dependency_graph.api.export_formats.graphml import write_graphml
from dependency_graph.api.export_formats.mermaid import write_mermaid
from dependency_graph.application.queries import WholeGraph

Told = list[dict[str, Any]]
OF_XML = "{http://graphml.graphdrawing.org/xmlns}"
often = settings(max_examples=200)


async def _written(write: Callable[[WholeGraph], AsyncIterator[str]], graph: tuple[Told, Told]) -> str:
    text = "".join([piece async for piece in write(MemoryWholeGraph(*graph))])
    return text.encode().decode()


@often
@given(graphs())
async def test_json_is_read_back_as_it_was(graph: tuple[Told, Told]) -> None:
    nodes, edges = graph
    assert json.loads(await _written(write_json, graph)) == {"generation": 42, "nodes": nodes, "edges": edges}


def _in_xml(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)


def _data(element: ET.Element, names: dict[str, str]) -> dict[str, str]:
    return {names[data.attrib["key"]]: data.text or "" for data in element.findall(f"{OF_XML}data")}


@often
@given(graphs())
async def test_graphml_is_read_back_with_all_that_xml_can_hold(graph: tuple[Told, Told]) -> None:
    root = ET.fromstring(await _written(write_graphml, graph))
    names = {key.attrib["id"]: key.attrib["attr.name"] for key in root.findall(f"{OF_XML}key")}
    [tree] = root.findall(f"{OF_XML}graph")
    nodes = {node.attrib["id"]: _data(node, names) for node in tree.findall(f"{OF_XML}node")}
    assert _data(tree, names) == {"generation": "42"}
    assert list(nodes.values()) == [
        {k: _in_xml(v) for k, v in node.items() if v is not None} for node in graph[0]
    ]
    edges = [
        {end: nodes[edge.attrib[end]]["service_id"] for end in ("source", "target")} | _data(edge, names)
        for edge in tree.findall(f"{OF_XML}edge")
    ]
    assert edges == [{k: _in_xml(v) for k, v in edge.items() if v is not None} for edge in graph[1]]


QUOTED = r'"(?:[^"\\]|\\.)*"'
STATEMENT = re.compile(
    rf"  ({QUOTED})(?: -> ({QUOTED}))? \[((?:\w+=(?:\w+|{QUOTED})(?:, )?)+)\];\n", re.DOTALL
)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _statements(text: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """All statements, as there must be nothing else."""
    head = "digraph services {\n  generation=42;\n  rankdir=LR;\n  node [shape=box];\n"
    assert text.startswith(head)
    place = len(head)
    while found := STATEMENT.match(text, place):
        attributes = re.findall(rf"(\w+)=(\w+|{QUOTED})", found[3], re.DOTALL)
        yield [_unquoted(end) for end in found.groups()[:2] if end], {k: _unquoted(v) for k, v in attributes}
        place = found.end()
    assert text[place:] == "}\n"


@often
@given(graphs())
async def test_dot_is_read_back_by_its_own_rules(graph: tuple[Told, Told]) -> None:
    told = list(_statements(await _written(write_dot, graph)))
    assert [(ends, attributes.get("team")) for ends, attributes in told if len(ends) == 1] == [
        ([node["service_id"]], node["team"]) for node in graph[0]
    ]
    assert [(ends, attributes["criticality"]) for ends, attributes in told if len(ends) == 2] == [
        ([edge["source"], edge["target"]], edge["criticality"]) for edge in graph[1]
    ]
    labels = [attributes["label"].replace("&amp;", "&") for ends, attributes in told if len(ends) == 1]
    assert labels == [node["service_id"] for node in graph[0]]


BOX = re.compile(r'  (n[0-9a-f]+)\["(?!-)((?:[^\W_]|[ /-]|#\d+;)+)"\]')
ARROW = re.compile(r"  (n[0-9a-f]+) (-->|-\.->) (n[0-9a-f]+)")


@often
@given(graphs())
async def test_mermaid_is_read_back_from_plain_characters_and_entities(graph: tuple[Told, Told]) -> None:
    head, generation, *lines = (await _written(write_mermaid, graph)).rstrip("\n").split("\n")
    assert (head, generation) == ("flowchart LR", "%% generation 42")
    boxes = [found for line in lines[: len(graph[0])] if (found := BOX.fullmatch(line))]
    labels = {box[1]: re.sub(r"#(\d+);", lambda code: chr(int(code[1])), box[2]) for box in boxes}
    assert list(labels.values()) == [node["service_id"] for node in graph[0]]
    arrows = [found for line in lines[len(graph[0]) :] if (found := ARROW.fullmatch(line))]
    assert [(labels[a[1]], labels[a[3]], a[2]) for a in arrows] == [
        (edge["source"], edge["target"], "-->" if edge["criticality"] == "hard" else "-.->")
        for edge in graph[1]
    ]


def _reference(entity: dict[str, Any]) -> str:
    return f"{entity['kind'].lower()}:default/{entity['metadata']['name']}"


@often
@given(graphs())
async def test_backstage_entities_are_read_back_with_their_dependencies(graph: tuple[Told, Told]) -> None:
    text = await _written(write_backstage, graph)
    assert text.startswith("# generation: 42\n---\n")
    entities = list(yaml.safe_load_all(text))
    true_ids = {_reference(one): one["metadata"]["annotations"]["fleet/service-id"] for one in entities}
    assert list(true_ids.values()) == [node["service_id"] for node in graph[0]]
    assert [(one["metadata"]["title"], one["metadata"]["name"]) for one in entities] == [
        (node["service_id"], entity_name(node["service_id"])) for node in graph[0]
    ]
    assert [one["metadata"].get("description") for one in entities] == [
        node["metadata"].get("description") for node in graph[0]
    ]
    told = [(one, true_ids[reference]) for one in entities for reference in one["spec"].get("dependsOn", [])]
    assert [(one["metadata"]["title"], target) for one, target in told] == [
        (edge["source"], edge["target"]) for edge in graph[1]
    ]
