from itertools import permutations
from typing import Any

import httpx
import pytest
from factories import body
from sqlalchemy import text

from dependency_graph.infrastructure.database import Database

INGEST = "/services/dependencies"


async def _ask(client: httpx.AsyncClient, service_id: str, to: str) -> dict[str, Any]:
    answer = await client.get(f"/services/{service_id}/paths", params={"to": to})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_all_shortest_paths_are_told_in_order(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ac", "cd", "ab", "bd", "ae", "ef", "fd"))
    paths = [["a", "b", "d"], ["a", "c", "d"]]
    assert await _ask(client, "a", "d") == {"source": "a", "target": "d", "length": 2, "paths": paths}


async def test_no_path_is_an_answer_too(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab"))
    assert await _ask(client, "b", "a") == {"source": "b", "target": "a", "length": None, "paths": []}


async def test_a_service_has_one_path_to_itself(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "ba"))
    assert await _ask(client, "a", "a") == {"source": "a", "target": "a", "length": 0, "paths": [["a"]]}


async def test_stale_dependencies_are_no_way(client: httpx.AsyncClient, database: Database) -> None:
    await client.post(INGEST, json=body("ab"))
    async with database.write() as connection:
        await connection.execute(text("UPDATE graph.service_dependencies SET is_stale = true"))
    assert (await _ask(client, "a", "b"))["paths"] == []


async def test_where_all_call_all_the_way_is_short(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body(*permutations("abcdefghijklmnopqrstuvwxyz", 2)))
    assert (await _ask(client, "a", "z"))["paths"] == [["a", "z"]]


async def test_either_id_may_hold_anything_printable(client: httpx.AsyncClient) -> None:
    odd = ("x/y z+&=%#?", 'caf\u00e9 "\u2615"/paths')
    await client.post(INGEST, json=body(odd))
    answer = await client.get("/services/x%2Fy%20z%2B&=%25%23%3F/paths", params={"to": odd[1]})
    assert answer.json()["paths"] == [list(odd)]


@pytest.mark.parametrize("path", ["/services/a/paths?to=x", "/services/x/paths?to=a"])
async def test_both_services_must_be_there(client: httpx.AsyncClient, path: str) -> None:
    await client.post(INGEST, json=body("ab"))
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["title"]) == (404, "Service not found")


@pytest.mark.parametrize(
    "query", ["", "?to=", "?to=%20a", "?to=a%0Ab", "?to=" + "x" * 256, "?to=a&to=b", "?to=a&depth=2"]
)
async def test_a_target_that_cannot_be_one_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/services/a/paths{query}")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


async def test_the_longest_target_is_looked_for(client: httpx.AsyncClient) -> None:
    longest = "x" * 255
    await client.post(INGEST, json=body(("a", longest)))
    assert (await _ask(client, "a", longest))["length"] == 1
