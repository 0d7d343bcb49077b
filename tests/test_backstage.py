"""Backstage before a real service: its proxy with our configuration, its catalogue with our entities."""

import json
import re
from collections.abc import Generator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml
from catalogue_entities import Entity, faults, reference
from hostile_graphs import HOSTILE_IDS, HOSTILE_TEAMS
from running_service import INGEST, UNLIMITED, RunningService, make_key_with_limits, until

from api_access import RateLimit
from dependency_graph.infrastructure.migrating import migrate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "backstage"
CONFIG = yaml.safe_load((DOCS / "app-config.yaml").read_text())
PROXY = CONFIG["proxy"]["endpoints"]["/fleet"]
PAGE = (DOCS / "FleetDependencies.tsx").read_text()
PROVIDER = (DOCS / "fleetEntities.ts").read_text()
# What @backstage/plugin-proxy-backend 0.6 lets through by itself, of requests and of answers.
SAFE = {
    *("accept", "accept-language", "cache-control", "content-language", "content-length", "content-type"),
    *("expires", "host", "last-modified", "pragma", "user-agent"),
}
ALLOWED = {name.lower() for name in PROXY["allowedHeaders"]}
TRACE = "0af7651916cd43dd8448eb211c80319c"
# Backstage sets a date of its own, and how the body is sent is a matter of each connection.
OWN = {"connection", "date", "transfer-encoding"}


class Backstage:
    """Its proxy: takes from requests and answers what it does not know, and adds the key."""

    def __init__(self, service_url: str, key: str) -> None:
        self._http = httpx.Client(base_url=service_url, trust_env=False, timeout=60)
        self._key = key
        self.lost: set[str] = set()
        self.let_through: set[str] = set()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """`path` is that after `/api/proxy/fleet`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        known = {name: value for name, value in sent.items() if name.lower() in SAFE | ALLOWED}
        own = {name: value.replace("${FLEET_API_KEY}", self._key) for name, value in PROXY["headers"].items()}
        answer = self._http.get(path, headers=known | own)
        names = set(answer.headers)
        self.lost |= names - SAFE - ALLOWED - OWN
        self.let_through |= names & ALLOWED
        answer.headers = httpx.Headers({name: answer.headers[name] for name in names & (SAFE | ALLOWED)})
        return answer

    def close(self) -> None:
        self._http.close()


def _graph() -> Mapping[str, Any]:
    ids = (*HOSTILE_IDS, "a%2Fb", "services", "x/dependencies")
    types = ("internal", "external", "database", "queue")
    nodes = [
        {
            "service_id": service_id,
            "metadata": {
                "team": HOSTILE_TEAMS[n % len(HOSTILE_TEAMS)],
                "service_type": types[n % len(types)],
                "description": f"{service_id}:\n- x",
            },
        }
        for n, service_id in enumerate(ids)
    ]
    edges = [{"source": one, "target": other, "attributes": {}} for one, other in pairwise(ids)]
    return {"source": "manual", "timestamp": "2026-02-14T10:00:00Z", "nodes": nodes, "edges": edges}


HOSTILE = _graph()


@pytest.fixture(scope="module")
def database_url(create_database: Any, drop_database: Any) -> Generator[str]:
    url = create_database()
    migrate(url)
    yield url
    drop_database(url)


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService]:
    """A service with the sample in it, and with services whose ids hold all sorts of characters."""
    key = make_key_with_limits(database_url, query=UNLIMITED, ingestion=UNLIMITED)
    settings = {"DATABASE_URL": database_url, "API_WORKERS": "1", "LOG_LEVEL": "DEBUG"}
    with RunningService(tmp_path_factory.mktemp("graph"), **settings) as service:
        for told in (json.loads((ROOT / "samples" / "otel-demo.json").read_text()), HOSTILE):
            answer = httpx.post(
                f"{service.url}{INGEST}", json=told, headers={"X-API-Key": key}, trust_env=False, timeout=60
            )
            assert answer.status_code == 202, answer.text
        yield service


@pytest.fixture(scope="module")
def backstage(service: RunningService, database_url: str) -> Generator[Backstage]:
    backstage = Backstage(service.url, make_key_with_limits(database_url, query=UNLIMITED))
    yield backstage
    backstage.close()


@pytest.fixture(scope="module")
def entities(backstage: Backstage) -> list[Entity]:
    [path] = re.findall(r"getString\('url'\)\}([^`]+)`", PROVIDER)
    return list(yaml.safe_load_all(backstage.get(path).text))


def _path(service_id: str) -> str:
    """As the page of the component makes it; `safe` is what encodeURIComponent leaves as it is."""
    assert "const id = encodeURIComponent(serviceId);" in PAGE
    [path] = re.findall(r"\$\{proxy\}/fleet(/[^`]+)`", PAGE)
    return path.replace("${id}", quote(service_id, safe="!'()*~-_."))


@pytest.mark.parametrize("node", HOSTILE["nodes"], ids=lambda node: node["service_id"].encode().hex()[:20])
def test_the_page_finds_a_service_by_any_id(backstage: Backstage, node: Mapping[str, Any]) -> None:
    answer = backstage.get(_path(node["service_id"]))
    assert (answer.status_code, answer.json()["service_id"]) == (200, node["service_id"])


def test_the_page_shows_what_the_answer_has(backstage: Backstage) -> None:
    [shown] = re.findall(r"type Dependency = \{(.*?)\}", PAGE, re.DOTALL)
    edge = backstage.get(_path("checkoutservice")).json()["edges"][0]
    assert set(re.findall(r"(\w+):", shown)) == set(re.findall(r"field: '(\w+)'", PAGE)) <= edge.keys()


def test_an_answer_that_the_browser_has_is_not_sent_again(backstage: Backstage) -> None:
    path = _path("checkoutservice")
    first = backstage.get(path)
    again = backstage.get(path, If_None_Match=first.headers["etag"])
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_a_request_is_found_again_in_the_log(backstage: Backstage, service: RunningService) -> None:
    answer = backstage.get(
        _path("checkoutservice"), X_Request_ID="of-the-browser", traceparent=f"00-{TRACE}-b7ad6b7169203331-01"
    )
    assert answer.headers["x-request-id"] == "of-the-browser"
    until(lambda: "of-the-browser" in service.log and TRACE in service.log)


def test_a_browser_sends_no_key_of_its_own(backstage: Backstage) -> None:
    assert backstage.get(_path("checkoutservice"), X_Api_Key="wrong", Authorization="Bearer wrong").is_success


def test_all_that_answers_tell_is_let_through_and_nothing_that_is_not_used(
    service: RunningService, database_url: str
) -> None:
    backstage = Backstage(service.url, make_key_with_limits(database_url, query=RateLimit(3, 3600)))
    path = _path("checkoutservice")
    answers = [backstage.get(each) for each in (path, _path("nothing"), f"{path}&depth=0", path, "/livez")]
    backstage.close()
    assert [answer.status_code for answer in answers] == [200, 404, 422, 429, 200]
    assert int(answers[3].headers["retry-after"]) > 0
    assert backstage.lost == set()
    assert ALLOWED - {"if-none-match", "traceparent"} == backstage.let_through


def test_the_configuration_holds_no_key_and_lets_nobody_write() -> None:
    assert (PROXY["headers"], PROXY["credentials"], PROXY["allowedMethods"]) == (
        # As the schema of the plugin has it, which makes the value a secret; it knows no X-API-Key.
        {"X-Api-Key": "${FLEET_API_KEY}"},
        "require",
        ["GET"],
    )
    assert (CONFIG["fleet"]["url"], CONFIG["fleet"]["apiKey"]) == (PROXY["target"], "${FLEET_API_KEY}")


def test_the_provider_reads_what_is_configured() -> None:
    read = set(re.findall(r"get(?:String|Config)\('(\w+)'\)", PROVIDER))
    assert read == {"fleet", *CONFIG["fleet"]}


def test_the_catalogue_takes_every_entity(entities: list[Entity]) -> None:
    assert {reference(entity): found for entity in entities if (found := faults(entity))} == {}
    assert len({reference(entity) for entity in entities}) == len(entities) > len(HOSTILE["nodes"])


def test_every_dependency_leads_to_an_entity(entities: list[Entity]) -> None:
    there = {reference(entity) for entity in entities}
    told = {target.lower() for entity in entities for target in entity["spec"].get("dependsOn", [])}
    assert told <= there
    assert len(told) >= len(HOSTILE["edges"])


def test_the_page_asks_by_the_annotation_that_entities_have(entities: list[Entity]) -> None:
    [annotation] = re.findall(r"const SERVICE_ID = '(.+)'", PAGE)
    ids = {entity["metadata"]["annotations"][annotation] for entity in entities}
    assert {node["service_id"] for node in HOSTILE["nodes"]} <= ids


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("metadata.name", "-a", "metadata.name"),
        ("metadata.name", "a" * 64, "metadata.name"),
        ("metadata.title", "", "metadata.title"),
        ("metadata.annotations", {"fleet_/service-id": "a"}, "metadata.annotations"),
        ("metadata.annotations", {"fleet/criticality": 1}, "metadata.annotations"),
        ("spec.lifecycle", None, "spec"),
        ("spec.owner", "group:default/a/b", "references"),
        ("spec.dependsOn", ["checkout"], "references"),
        ("kind", "Service", "kind"),
    ],
)
def test_what_the_catalogue_would_refuse_is_a_fault(
    entities: list[Entity], path: str, value: object, fault: str
) -> None:
    entity = next(dict(each) for each in entities if each["kind"] == "Component")
    outer, _, inner = path.rpartition(".")
    broken = {**entity, outer: {**entity[outer], inner: value}} if outer else {**entity, path: value}
    assert faults(broken) == [fault]
