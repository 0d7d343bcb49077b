import json
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import yaml
from factories import body
from hostile_graphs import HOSTILE_IDS, HOSTILE_TEAMS
from sqlalchemy import text

from dependency_graph.api.graph_export import WholeGraphAnswer
from dependency_graph.infrastructure.database import Database

INGEST = "/services/dependencies"


async def _export(client: httpx.AsyncClient, **parameters: Any) -> httpx.Response:
    answer = await client.get("/graph", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer


async def _make_stale(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("UPDATE graph.service_dependencies SET is_stale = true"))


async def test_json_has_nodes_and_edges_as_the_query_has_them(client: httpx.AsyncClient) -> None:
    metadata = {"team": "t", "criticality": "high", "x": [1]}
    await client.post(INGEST, json=body("ab", "cb", nodes={"b": metadata}, protocol="grpc", timeout_ms=5))
    await client.post(INGEST, json=body("ab", source="kubernetes"))
    exported = (await _export(client)).json()
    WholeGraphAnswer.model_validate(exported)
    around = (await client.get("/services/a/dependencies?depth=2")).json()
    assert (exported["generation"], exported["edges"][0]) == (2, around["edges"][0])
    nodes = [{k: v for k, v in node.items() if k != "distance"} for node in around["nodes"]]
    assert [node["service_id"] for node in exported["nodes"]] == ["a", "b", "c"]
    assert nodes[0] == exported["nodes"][1]


async def test_an_empty_graph_is_a_graph(client: httpx.AsyncClient) -> None:
    assert (await _export(client)).json() == {"generation": 0, "nodes": [], "edges": []}
    assert list(yaml.safe_load_all((await _export(client, format="backstage")).text)) == []
    assert (await _export(client, format="dot")).text.endswith("node [shape=box];\n}\n")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("json", "application/json"),
        ("graphml", "application/graphml+xml"),
        ("dot", "text/vnd.graphviz; charset=utf-8"),
        ("mermaid", "text/vnd.mermaid; charset=utf-8"),
        ("backstage", "application/yaml"),
    ],
)
async def test_each_format_has_its_media_type(client: httpx.AsyncClient, name: str, media_type: str) -> None:
    assert (await _export(client, format=name)).headers["content-type"] == media_type


async def test_stale_dependencies_come_where_they_are_wanted(
    client: httpx.AsyncClient, database: Database
) -> None:
    await client.post(INGEST, json=body("ab"))
    await _make_stale(database)
    assert (await _export(client)).json()["edges"] == []
    assert (await _export(client, include_stale=True)).json()["edges"][0]["is_stale"] is True
    fresh, all_ = [await _export(client, format="backstage", include_stale=stale) for stale in (False, True)]
    assert ("component:default/b" in fresh.text, "component:default/b" in all_.text) == (False, True)


async def test_backstage_tells_services_from_resources_and_names_a_target_once(
    client: httpx.AsyncClient,
) -> None:
    nodes: dict[str, dict[str, Any] | None] = {
        "shop": {"team": "web", "criticality": "low", "description": "Sells"},
        "orders": {"service_type": "database"},
    }
    await client.post(INGEST, json=body(("shop", "orders"), ("shop", "Cart"), nodes=nodes))
    await client.post(INGEST, json=body(("shop", "orders"), source="kubernetes"))
    cart, orders, shop = yaml.safe_load_all((await _export(client, format="backstage")).text)
    assert shop == {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": "shop",
            "title": "shop",
            "description": "Sells",
            "annotations": {"fleet/service-id": "shop", "fleet/criticality": "low"},
        },
        "spec": {
            "type": "service",
            "lifecycle": "production",
            "owner": "group:default/web",
            "dependsOn": [f"component:default/{cart['metadata']['name']}", "resource:default/orders"],
        },
    }
    assert (orders["kind"], orders["spec"]) == ("Resource", {"type": "database", "owner": "unknown"})


async def test_ids_and_teams_of_any_sort_come_back_from_every_format(client: httpx.AsyncClient) -> None:
    teams = {name: HOSTILE_TEAMS[n % len(HOSTILE_TEAMS)] for n, name in enumerate(HOSTILE_IDS)}
    pairs = list(pairwise(HOSTILE_IDS))
    told = body(*pairs, nodes={name: {"team": team} for name, team in teams.items()})
    assert (await client.post(INGEST, json=told)).status_code == 202
    exported = json.loads((await _export(client)).text)
    assert {node["service_id"]: node["team"] for node in exported["nodes"]} == teams
    assert {(edge["source"], edge["target"]) for edge in exported["edges"]} == set(pairs)
    entities = list(yaml.safe_load_all((await _export(client, format="backstage")).text))
    assert {one["metadata"]["annotations"]["fleet/service-id"] for one in entities} == set(HOSTILE_IDS)
    tree = ET.fromstring((await _export(client, format="graphml")).text)
    assert {data.text for data in tree.iterfind(".//{*}data[@key='node.service_id']")} == set(HOSTILE_IDS)


@pytest.mark.parametrize(
    "query", ["format=csv", "format=JSON", "format=", "include_stale=perhaps", "depth=1"]
)
async def test_what_there_is_not_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/graph?{query}")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)
