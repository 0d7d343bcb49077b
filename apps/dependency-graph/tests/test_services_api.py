from typing import Any

import httpx
import pytest
from factories import body

INGEST = "/services/dependencies"


async def _ids(client: httpx.AsyncClient, **parameters: Any) -> list[str]:
    answer = await client.get("/services", params=parameters)
    assert answer.status_code == 200, answer.text
    return [service["service_id"] for service in answer.json()["services"]]


async def test_the_list_is_filtered(client: httpx.AsyncClient) -> None:
    told = {"Cart": {"team": "shop", "criticality": "high"}, "cash_desk": {"team": "shop"}, "100%": None}
    await client.post(INGEST, json=body(("Cart", "queue"), nodes=told))
    assert await _ids(client) == ["100%", "Cart", "cash_desk", "queue"]
    assert await _ids(client, team="shop") == ["Cart", "cash_desk"]
    assert await _ids(client, criticality="high") == ["Cart"]
    assert await _ids(client, discovered=True) == ["queue"]
    assert await _ids(client, q="CA") == ["Cart", "cash_desk"]
    assert await _ids(client, q="_") == ["cash_desk"]
    await client.post(INGEST, json=body(nodes={"\u00fcn\u00ef": None}))
    assert await _ids(client, q="\u00dcN\u00cf") == ["\u00fcn\u00ef"]
    assert await _ids(client, q="%") == ["100%"]
    assert await _ids(client, team="shop", q="art") == ["Cart"]


async def test_pages_follow_one_another_without_gap_or_repeat(client: httpx.AsyncClient) -> None:
    names = [f"s{n}" for n in range(7)] + ["ü/1", "ü/2"]
    await client.post(INGEST, json=body(nodes=dict.fromkeys(names)))
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get("/services", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [service["service_id"] for service in page["services"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(names)


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "?"},
        {"cursor": "AAAA"},
        {"cursor": ""},
        {"criticality": "x"},
        {"q": ""},
        {"q": "\0"},
        {"team": "\0"},
    ],
)
async def test_a_wrong_parameter_of_the_list_is_refused(
    client: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    answer = await client.get("/services", params=parameters)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/query/{next(iter(parameters))}"


async def test_put_registers_and_replaces_whole(client: httpx.AsyncClient) -> None:
    first = await client.put("/services/a", json={"team": "t", "criticality": "high", "metadata": {"x": 1}})
    assert first.status_code == 201
    assert (first.json()["team"], first.json()["criticality"], first.json()["metadata"]) == (
        "t",
        "high",
        {"x": 1},
    )
    second = await client.put("/services/a", json={"metadata": {"team": "u", "service_type": "database"}})
    assert second.status_code == 200
    told = second.json()
    assert (told["team"], told["criticality"], told["service_type"]) == ("u", "medium", "database")
    assert told["metadata"] == {"team": "u", "service_type": "database"}
    assert (await client.get("/services/a")).json() == told


async def test_put_makes_a_placeholder_a_service_and_moves_the_generation_only_for_a_change(
    client: httpx.AsyncClient,
) -> None:
    await client.post(INGEST, json=body("ab"))
    for expected in (2, 2):
        assert not (await client.put("/services/b", json={"team": "t"})).json()["discovered"]
        assert (await client.get("/services/a/dependencies")).json()["generation"] == expected


@pytest.mark.parametrize(
    "told",
    [
        {"team": "a", "metadata": {"team": "b"}},
        {"team": ""},
        {"team": "x" * 256},
        {"criticality": "x"},
        {"metadata": []},
        {"metadata": {"x": "\0"}},
        {"name": "x"},
        [],
    ],
)
async def test_a_service_described_wrongly_is_refused(client: httpx.AsyncClient, told: Any) -> None:
    assert (await client.put("/services/a", json=told)).status_code == 422
    assert await _ids(client) == []


async def test_delete_takes_the_edges_along(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "bc", "ca"))
    answer = await client.delete("/services/b")
    assert answer.json() == {"service_id": "b", "deleted_dependencies": 2}
    left = (await client.get("/services/a/dependencies")).json()
    assert (left["generation"], [edge["source"] for edge in left["edges"]]) == (2, ["c"])
    [alert] = (await client.get("/circular-dependencies")).json()["circular_dependencies"]
    assert alert["status"] == "resolved"
    assert (await client.delete("/services/b")).status_code == 404
    assert (await client.get("/services/b")).status_code == 404
