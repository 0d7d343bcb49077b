"""MCP servers as operators ask for them."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from factories import make_key
from stored_inventory import FETCH, GITHUB, GITHUB_URL, OWN_GITHUB, container, remote, store

from dependency_graph.domain.mcp_server import Match
from dependency_graph.infrastructure.database import Database

PATH = "/mcp-servers"
SEVERAL = [
    OWN_GITHUB,
    remote("github", "team-a", match=Match(GITHUB.name, ambiguous=True), status="ready"),
    container("fetch", match=Match(FETCH.name, version_differs=True), group="default"),
    container("own", status="stopped", group="other"),
    remote("own-remote", package="https://example.com/mcp"),
]


async def _names(client: httpx.AsyncClient, **parameters: Any) -> list[str]:
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return [server["name"] for server in answer.json()["mcp_servers"]]


async def test_a_server_is_told_with_its_registry_entry(
    client: httpx.AsyncClient, database: Database
) -> None:
    await store(database, [OWN_GITHUB])
    told = (await client.get(f"{PATH}/github")).json()
    entry = told.pop("registry_entry")
    assert (await client.get(PATH)).json() == {"mcp_servers": [told], "next_cursor": None}
    assert told.pop("created_at") == told.pop("updated_at")
    assert told == {
        "name": "github",
        "runtime": "docker",
        "namespace": None,
        "status": "running",
        "transport": "streamable-http",
        "proxy_mode": "streamable-http",
        "url": "http://127.0.0.1:21000/mcp",
        "package": GITHUB_URL,
        "remote": True,
        "group": "default",
        "tools": ["get_me"],
        "from_registry": True,
        "registry_entry_name": "io.github.stacklok/github",
        "version_differs": False,
        "ambiguous": False,
        "service_id": "mcp:github",
    }
    assert entry == (await client.get("/mcp-registry?remote=true")).json()["mcp_registry"][0]


async def test_a_server_that_the_registry_does_not_know_has_no_entry(
    client: httpx.AsyncClient, database: Database
) -> None:
    await store(database, SEVERAL)
    told = (await client.get(f"{PATH}/own")).json()
    assert (told["from_registry"], told["registry_entry_name"], told["registry_entry"]) == (False, None, None)


async def test_how_a_server_matched_is_told(client: httpx.AsyncClient, database: Database) -> None:
    await store(database, SEVERAL)
    servers = (await client.get(PATH)).json()["mcp_servers"]
    assert {server["name"]: (server["version_differs"], server["ambiguous"]) for server in servers} == {
        "fetch": (True, False),
        "github": (False, False),
        "own": (False, False),
        "own-remote": (False, False),
        "team-a/github": (False, True),
    }


async def test_the_list_is_filtered(client: httpx.AsyncClient, database: Database) -> None:
    await store(database, SEVERAL)
    assert await _names(client) == ["fetch", "github", "own", "own-remote", "team-a/github"]
    assert await _names(client, from_registry=True) == ["fetch", "github", "team-a/github"]
    assert await _names(client, from_registry=False) == ["own", "own-remote"]
    assert await _names(client, group="default") == ["fetch", "github"]
    assert await _names(client, status="stopped") == ["own"]
    assert await _names(client, remote=True) == ["github", "own-remote", "team-a/github"]
    assert await _names(client, remote=False) == ["fetch", "own"]
    assert await _names(client, remote=True, from_registry=False) == ["own-remote"]
    assert await _names(client, group="x" * 255, status="x" * 64) == []


async def test_pages_follow_one_another_without_gap_or_repeat(
    client: httpx.AsyncClient, database: Database
) -> None:
    names = [f"s{n}" for n in range(5)] + ["B", "a b", "ümläut"]
    await store(database, [container(name) for name in names] + [container("s", "team"), container("s")])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while not seen or cursor:
        page = (await client.get(PATH, params={"limit": 3} | cursor)).json()
        seen += [server["name"] for server in page["mcp_servers"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert seen == sorted([*names, "team/s", "s"])


async def test_a_page_holds_no_more_and_no_less_than_is_asked_for(
    client: httpx.AsyncClient, database: Database
) -> None:
    await store(database, SEVERAL)
    assert await _names(client, limit=1) == ["fetch"]
    exact = (await client.get(PATH, params={"limit": len(SEVERAL)})).json()
    assert (len(exact["mcp_servers"]), exact["next_cursor"]) == (len(SEVERAL), None)
    assert len(await _names(client, limit=1000)) == len(SEVERAL)


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "?"},
        {"cursor": ""},
        {"from_registry": "maybe"},
        {"remote": ""},
        {"group": ""},
        {"group": "x" * 256},
        {"group": "\0"},
        {"status": ""},
        {"status": "x" * 65},
        {"status": "\0"},
        {"runtime": "docker"},
    ],
)
async def test_a_wrong_parameter_of_the_list_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    answer = await client.get(PATH, params=parameters)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/query/{next(iter(parameters))}"


@pytest.mark.parametrize("path", ["team-a/github", "team-a%2Fgithub", "team%2Da/git%68ub"])
async def test_a_server_of_a_namespace_is_asked_for_with_a_slash_plain_or_encoded(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    await store(database, SEVERAL)
    told = (await client.get(f"{PATH}/{path}")).json()
    assert (told["name"], told["namespace"]) == ("team-a/github", "team-a")
    assert (told["runtime"], told["service_id"]) == ("k8s", "mcp:team-a/github")


@pytest.mark.parametrize("name", ["a b?c#d%2F", "поиск", "x" * 317, "dependencies", "a/dependencies", "."])
async def test_a_name_may_hold_anything(client: httpx.AsyncClient, database: Database, name: str) -> None:
    await store(database, [container(name)])
    for status in ("running", "stopped"):
        await store(database, [container(name, status=status)])
        answer = await client.get(f"{PATH}/{quote(name).replace('.', '%2E')}")
        assert (answer.json()["name"], answer.json()["status"]) == (name, status)


@pytest.mark.parametrize("path", ["nobody", "team-b/github", "GitHub", "team-a/github/", "team-a%252Fgithub"])
async def test_an_unknown_server_is_404_and_the_answer_says_where_to_look(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    await store(database, SEVERAL)
    answer = await client.get(f"{PATH}/{path}")
    assert (answer.status_code, answer.json()["title"]) == (404, "MCP server not found")
    assert "GET /api/v1/mcp-servers lists" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["x%00", "%FF", "x" * 318, "github?status=running"])
async def test_what_cannot_be_asked_for_is_refused(
    client: httpx.AsyncClient, database: Database, path: str
) -> None:
    await store(database, [OWN_GITHUB])
    answer = await client.get(f"{PATH}/{path}")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/github", "/mcp-registry"])
async def test_reading_takes_the_scope_read(
    stranger: httpx.AsyncClient, database: Database, database_url: str, path: str
) -> None:
    await store(database, [OWN_GITHUB])
    statuses = [(await stranger.get(path)).status_code]
    for scope in ("write", "read"):
        headers = {"X-API-Key": await make_key(database_url, scope)}
        statuses.append((await stranger.get(path, headers=headers)).status_code)
    assert statuses == [401, 403, 200]


@pytest.mark.parametrize("path", [PATH, "/mcp-registry"])
async def test_where_there_is_nothing_the_list_is_empty(client: httpx.AsyncClient, path: str) -> None:
    [items, cursor] = (await client.get(path)).json().values()
    assert (items, cursor) == ([], None)
