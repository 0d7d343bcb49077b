"""Each service of docker-compose.yml is the one that its name says, keeps what it must, and is asked where it listens."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from coldquery.settings import Settings as ColdQuery
from dependency_graph.settings import Settings as Graph

COMPOSE = Path(__file__).parents[1] / "docker-compose.yml"
MEMBERS = {"graph": "dependency-graph", "ci": "ci-server", "sql": "coldquery", "metadata": "fleet-metadata"}
ASKED = {"graph": "8000/readyz", "ci": "8002/readyz", "sql": "8003/readyz", "metadata": "8001/livez"}
KEPT = {
    "ci": "/data",
    "postgres": "/var/lib/postgresql/data",
    "prometheus": "/prometheus",
    "sql": "/data",
}
"""Where each image keeps what has to outlive its container."""
OTHERS_HAVE = 26 + 15
"""Connections at most of the CI server, and of ColdQuery for keys."""


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_an_image_is_built_from_the_target_that_it_is_named_after(services: Mapping[str, Any]) -> None:
    built = {
        name: (service["image"].split("/")[-1].partition(":")[0], service["build"]["target"])
        for name, service in services.items()
        if "build" in service
    }
    assert built == {name: (MEMBERS[name.partition("-")[0]],) * 2 for name in built}
    assert MEMBERS.keys() <= built.keys()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_health_check_asks_its_own_service(name: str, services: Mapping[str, Any]) -> None:
    check = services[name]["healthcheck"]
    [port], [path] = (re.findall(pattern, check["test"]) for pattern in (r"1', (\d+)", r"GET', '([^']+)'"))
    assert f"{port}{path}" == ASKED[name]
    assert services[name]["ports"][0].endswith(f":{port}")
    assert (check["interval"], check["timeout"], check["retries"]) == ("10s", "5s", 3)


def test_what_has_to_outlive_a_container_is_in_a_volume(services: Mapping[str, Any]) -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["volumes"]
    named = {
        volume: path
        for service in services.values()
        for volume, _, path in (mount.partition(":") for mount in service.get("volumes", ()))
        if volume in declared
    }
    assert named == KEPT
    assert declared.keys() == KEPT.keys()


def test_agents_ask_as_the_role_that_is_made_for_them(services: Mapping[str, Any]) -> None:
    assert services["sql"]["environment"]["DB_USER"] == "coldquery"
    assert services["sql-role"]["command"] == ["grants", "--read", "graph", "--apply"]
    password = services["sql-role"]["environment"]["COLDQUERY_ROLE_PASSWORD"]
    assert services["sql"]["environment"]["DB_PASSWORD"] == password


def test_postgresql_has_connections_for_all_of_them(services: Mapping[str, Any]) -> None:
    [given] = re.findall(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))
    graph, sql = Graph.model_fields, ColdQuery.model_fields
    worker = graph["db_pool_size"].default + graph["db_max_overflow"].default + 1
    agents = sql["max_sessions"].default + sql["coldquery_reserved"].default
    assert graph["api_workers"].default * worker + agents + OTHERS_HAVE <= int(given)


def test_the_metadata_server_asks_the_ci_server_where_it_listens(services: Mapping[str, Any]) -> None:
    assert services["metadata"]["environment"]["CI_SERVER_URL"] == "http://ci:8002"
