"""Random journeys through the API, each step held to a model of the graph."""

import asyncio
import copy
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from factories import NOON, make_key
from graph_model import SOURCES, Described, GraphModel, asked, described, edges, names
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from running_service import API, INGEST, RunningService
from walk import Asked

from dependency_graph.domain.dependency import DiscoverySource, Pair

JOURNEYS = 25
STEPS = 30


class Journey(RuleBasedStateMachine):
    """Names get a prefix of the journey, as all journeys share one database; `anchor` is there from the start."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.client = client
        self.prefix = f"{uuid4().hex}-"
        self.anchor = uuid4().hex
        client.put(f"{API}/services/{self.anchor}", json={})
        self.model = GraphModel()
        self.generation = self._generation()
        self.acknowledged: dict[str, list[str]] = {}

    @rule(name=names, told=described)
    def put(self, name: str, told: Described) -> None:
        before = copy.deepcopy(self.model)
        self.model.services[name] = told
        answer = self.client.put(self._path(name), json={"metadata": told.metadata})
        assert answer.status_code == (200 if name in before.services else 201)
        self._matches(answer.json(), name)
        self._generation_follows(before, self._generation())

    @rule(
        source=st.sampled_from(SOURCES),
        hour=st.integers(0, 5),
        nodes=st.dictionaries(names, st.none() | described, max_size=2),
        edges=edges,
    )
    def ingest(
        self, source: DiscoverySource, hour: int, nodes: dict[str, Described | None], edges: dict[Pair, str]
    ) -> None:
        before = copy.deepcopy(self.model)
        self.model.ingest(source, hour, nodes, edges)
        answer = self.client.post(INGEST, json=self._body(source, hour, nodes, edges))
        assert answer.status_code == 202, answer.text
        told = answer.json()
        new = {name for name, known in self.model.services.items() if before.services.get(name) != known}
        rows = {row for row, seen in self.model.rows.items() if before.rows.get(row) != seen}
        assert (told["nodes_upserted"], told["edges_upserted"]) == (len(new), len(rows))
        self._generation_follows(before, told["generation"])
        for cycle in told["circular_dependencies_detected"]:
            assert self.model.holds(self._plain(cycle["cycle_path"]))

    @rule(name=names)
    def delete(self, name: str) -> None:
        answer = self.client.delete(self._path(name))
        if name in self.model.services:
            before = copy.deepcopy(self.model)
            assert answer.json()["deleted_dependencies"] == self.model.delete(name)
            self._generation_follows(before, self._generation())
        else:
            assert answer.status_code == 404

    @rule(asked=asked)
    def query(self, asked: Asked) -> None:
        answer = self._query(asked)
        if asked.start not in self.model.services:
            assert answer.status_code == 404
            return
        told, found = answer.json(), self.model.walk(asked)
        assert told["generation"] == self.generation
        nodes = [(node["service_id"], node["distance"]) for node in told["nodes"]]
        assert nodes == [(self.prefix + name, distance) for name, distance in found.nodes]
        assert [_merged(edge) for edge in told["edges"]] == [
            (self.prefix + source, self.prefix + target, foremost, list(sources))
            for (source, target), foremost, sources, _ in found.edges
        ]
        assert told["truncated"] == (found.omitted_nodes > 0)
        assert told["statistics"].get("omitted_edges", 0) == found.omitted_edges
        assert self._query(asked, answer.headers["etag"]).status_code == 304

    @rule(limit=st.sampled_from([1, 2, 100]))
    def list_services(self, limit: int) -> None:
        listed = list(self._pages("services", "services", limit=limit, q=self.prefix))
        assert [service["service_id"] for service in listed] == [
            self.prefix + name for name in sorted(self.model.services)
        ]
        for service, name in zip(listed, sorted(self.model.services), strict=True):
            self._matches(service, name)

    @precondition(lambda self: self.model.knots())
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        there = [alert for alert in self._alerts() if alert["status"] != "resolved"]
        paths = sorted(alert["cycle_path"] for alert in there)
        chosen = data.draw(st.integers(0, len(paths) - 1))
        [alert_id] = [alert["alert_id"] for alert in there if alert["cycle_path"] == paths[chosen]]
        answer = self.client.patch(f"{API}/circular-dependencies/{alert_id}", json={"status": "acknowledged"})
        assert answer.json()["status"] == "acknowledged"
        self.acknowledged[alert_id] = self._plain(paths[chosen])

    @rule()
    def look_at_alerts(self) -> None:
        alerts = list(self._alerts())
        cycles = [self._plain(alert["cycle_path"]) for alert in alerts]
        assert len({tuple(cycle) for cycle in cycles}) == len(cycles)
        named: list[set[str]] = []
        for alert, cycle in zip(alerts, cycles, strict=True):
            assert cycle[0] == cycle[-1] == min(cycle)
            if self.model.holds(cycle):
                named.append(set(cycle))
                expected = "acknowledged" if alert["alert_id"] in self.acknowledged else "open"
            else:
                expected = "resolved"
            assert alert["status"] == expected, alert
        for knot in self.model.knots():
            assert any(cycle <= knot for cycle in named), knot

    def teardown(self) -> None:
        self.list_services(limit=100)
        self.look_at_alerts()

    def _generation_follows(self, before: GraphModel, generation: int) -> None:
        """A step at most: one where something changed, else none."""
        assert generation == self.generation + (before != self.model)
        self.generation = generation
        self.acknowledged = {
            alert_id: cycle for alert_id, cycle in self.acknowledged.items() if self.model.holds(cycle)
        }

    def _generation(self) -> int:
        return self.client.get(f"{API}/services/{self.anchor}/dependencies").json()["generation"]

    def _query(self, asked: Asked, etag: str = "") -> httpx.Response:
        parameters = asdict(asked) | {"criticality": asked.criticality or ""}
        given = {name: value for name, value in parameters.items() if value != "" and name != "start"}
        path = f"{self._path(asked.start)}/dependencies"
        return self.client.get(path, params=given, headers={"If-None-Match": etag} if etag else None)

    def _alerts(self) -> Iterator[dict[str, Any]]:
        """Those of this journey, which are the newest."""
        pages = self._pages("circular-dependencies", "circular_dependencies")
        return takewhile(lambda alert: alert["cycle_path"][0].startswith(self.prefix), pages)

    def _pages(self, route: str, items: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = self.client.get(f"{API}/{route}", params=parameters | cursor).json()
            yield from page[items]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None

    def _body(
        self,
        source: DiscoverySource,
        hour: int,
        nodes: Mapping[str, Described | None],
        edges: Mapping[Pair, str],
    ) -> dict[str, Any]:
        metadata = {name: {"metadata": told.metadata} if told else {} for name, told in nodes.items()}
        return {
            "source": source,
            "timestamp": (NOON + timedelta(hours=hour)).isoformat(),
            "nodes": [{"service_id": self.prefix + name, **told} for name, told in metadata.items()],
            "edges": [
                {
                    "source": self.prefix + pair[0],
                    "target": self.prefix + pair[1],
                    "attributes": {"criticality": criticality},
                }
                for pair, criticality in edges.items()
            ],
        }

    def _matches(self, view: Mapping[str, Any], name: str) -> None:
        known = self.model.services[name]
        for field, value in asdict(known).items():
            assert field == "told" or view[field] == value
        assert (view["service_id"], view["metadata"]) == (self.prefix + name, known.metadata)

    def _path(self, name: str) -> str:
        return f"{API}/services/{quote(self.prefix + name, safe='')}"

    def _plain(self, path: list[str]) -> list[str]:
        return [name.removeprefix(self.prefix) for name in path]


def _merged(edge: Mapping[str, Any]) -> tuple[Any, ...]:
    return edge["source"], edge["target"], edge["discovery_source"], edge["discovery_sources"]


@pytest.fixture
def client(module_database_url: str, valkey_url: str, tmp_path: Path) -> Generator[httpx.Client]:
    """With all caches, and dependencies that do not age."""
    limits = {"RATE_LIMIT_QUERY": "1000000/min", "RATE_LIMIT_INGESTION": "1000000/min"}
    ageless = {"STALE_EDGE_THRESHOLD_HOURS": "87600", "REDIS_URL": valkey_url}
    headers = {"X-API-Key": asyncio.run(make_key(module_database_url, "admin"))}
    with (
        RunningService(
            tmp_path, DATABASE_URL=module_database_url, API_WORKERS="1", **limits, **ageless
        ) as service,
        httpx.Client(base_url=service.url, headers=headers, trust_env=False, timeout=60) as client,
    ):
        yield client


def test_whatever_is_done_in_whatever_order_the_answers_are_those_of_the_graph(client: httpx.Client) -> None:
    class Here(Journey):
        def __init__(self) -> None:
            super().__init__(client)

    bounded = settings(
        max_examples=JOURNEYS,
        stateful_step_count=STEPS,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Here, settings=bounded)
