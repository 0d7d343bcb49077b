"""The ToolHive of the tests answers as the real one does, and gets into the trouble that it is told to."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator
from toolhive_answers import DATA, SMALL_REGISTRY, Json, upstream_registry, upstream_server
from toolhive_server import (
    GROUPS,
    PAGES,
    PAGES_OF_OPENAPI,
    REGISTRY,
    VERSION,
    WORKLOADS,
    Told,
    ToolhiveServer,
)

OPENAPI = DATA / "toolhive-openapi.json"
URL = "https://mcp.example.com/mcp"


@pytest.fixture
async def http(toolhive: ToolhiveServer) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=toolhive.url, trust_env=False) as http:
        yield http


def without_other_fields(schema: Any) -> Any:
    """The schema, in which objects have no fields but those that it names."""
    if isinstance(schema, list):
        return [without_other_fields(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict: Json = {name: without_other_fields(part) for name, part in schema.items()}
    return {"additionalProperties": False, **strict} if isinstance(strict.get("properties"), dict) else strict


@pytest.fixture(scope="module")
def conforms() -> Callable[[str, Any], None]:
    """`conforms(name, answer)` fails unless the answer is as the schema of that name in the OpenAPI says."""
    if not OPENAPI.exists():
        pytest.skip(f"there is no {OPENAPI}")
    components = without_other_fields(json.loads(OPENAPI.read_text())["components"])

    def check(name: str, answer: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        Draft202012Validator(schema).validate(answer)

    return check


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (VERSION, "pkg_api_v1.versionResponse"),
        (GROUPS, "pkg_api_v1.groupListResponse"),
        (f"{WORKLOADS}?all=true", "pkg_api_v1.workloadListResponse"),
        (f"{WORKLOADS}/plain", "pkg_api_v1.createRequest"),
        (f"{WORKLOADS}/remote", "pkg_api_v1.createRequest"),
        (REGISTRY, "pkg_api_v1.getRegistryResponse"),
    ],
)
async def test_answers_are_as_the_schema_has_them(
    toolhive: ToolhiveServer,
    http: httpx.AsyncClient,
    conforms: Callable[[str, Any], None],
    path: str,
    schema: str,
) -> None:
    toolhive.add("plain", image="ghcr.io/example/plain:1", secrets=True, tools=["one"])
    toolhive.add("remote", upstream=URL, secrets=True, status="unauthenticated")
    toolhive.registry = SMALL_REGISTRY
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.json()
    conforms(schema, answer.json())


@pytest.mark.parametrize("path", [PAGES, PAGES_OF_OPENAPI])
async def test_pages_of_the_registry_are_as_the_schema_has_them(
    toolhive: ToolhiveServer, http: httpx.AsyncClient, conforms: Callable[[str, Any], None], path: str
) -> None:
    toolhive.servers = upstream_registry()
    conforms("pkg_api_v1.serversV01Response", (await http.get(path)).json())
    refused = await http.get(REGISTRY)
    assert (refused.status_code, refused.json()["code"]) == (502, "registry_legacy_format")
    conforms("pkg_api_v1.registryErrorResponse", refused.json())


async def test_the_health_check_shows_the_nonce(toolhive: ToolhiveServer, http: httpx.AsyncClient) -> None:
    health = await http.get("/health")
    assert (health.status_code, health.headers["X-Toolhive-Nonce"]) == (204, toolhive.nonce)


async def test_a_page_has_fifty_servers_unless_others_are_asked_for_up_to_two_hundred(
    toolhive: ToolhiveServer, http: httpx.AsyncClient
) -> None:
    toolhive.servers = [upstream_server(f"example/{number}") for number in range(250)]
    queries = ("", "?limit=10&page=2", "?limit=1000", "?limit=200&page=2", "?page=9")
    pages = [(await http.get(PAGES + query)).json() for query in queries]
    assert [len(page["servers"]) for page in pages] == [50, 10, 200, 50, 0]
    assert pages[1]["servers"][0]["name"] == "example/10"
    assert pages[1]["metadata"] == {"page": 2, "limit": 10, "total": 250}


async def test_what_is_not_there_is_not_found(toolhive: ToolhiveServer, http: httpx.AsyncClient) -> None:
    toolhive.add("gone", image="gone:1")
    toolhive.lose("gone")
    for path in (f"{WORKLOADS}/gone", f"{WORKLOADS}/gone/logs", f"{WORKLOADS}?group=none", PAGES, "/api"):
        assert (await http.get(path)).status_code == 404
    assert [item["name"] for item in (await http.get(WORKLOADS)).json()["workloads"]] == ["gone"]


async def test_a_name_is_decoded_once(toolhive: ToolhiveServer, http: httpx.AsyncClient) -> None:
    toolhive.add("a/b%2F", image="a:1")
    assert (await http.get(f"{WORKLOADS}/{quote('a/b%2F', safe='')}")).json()["name"] == "a/b%2F"


async def test_it_gets_into_trouble_as_often_as_it_is_told(
    toolhive: ToolhiveServer, http: httpx.AsyncClient
) -> None:
    toolhive.fail(f"{WORKLOADS}/*", 503, {"code": "busy"}, times=2)
    statuses = [(await http.get(f"{WORKLOADS}/none")).status_code for _ in range(3)]
    assert statuses == [503, 503, 404]
    assert toolhive.asked == {f"{WORKLOADS}/none": 3}
    toolhive.answer_instead(VERSION, Told(200, b"{}"))
    assert (await http.get(VERSION)).json() == {}
    toolhive.fail(VERSION, 0)
    with pytest.raises(httpx.RemoteProtocolError):
        await http.get(VERSION)
    toolhive.recover()
    assert (await http.get(VERSION)).json() == {"version": toolhive.version}
