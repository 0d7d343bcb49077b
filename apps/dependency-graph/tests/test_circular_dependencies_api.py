from typing import Any
from uuid import uuid4

import httpx
import pytest
from factories import body

PATH = "/circular-dependencies"
INGEST = "/services/dependencies"


async def _alerts(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    return (await client.get(PATH, params=parameters)).json()["circular_dependencies"]


async def test_an_alert_is_acknowledged_resolved_and_reopened(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "ba"))
    [alert] = await _alerts(client, status="open")
    assert (alert["cycle_path"], alert["acknowledged_by"]) == (["a", "b", "a"], None)
    path = f"{PATH}/{alert['alert_id']}"
    seen = (await client.patch(path, json={"status": "acknowledged"})).json()
    assert (seen["status"], seen["acknowledged_by"]) == ("acknowledged", "tests")
    done = (await client.patch(path, json={"status": "resolved", "resolution_notes": "cut"})).json()
    assert (done["status"], done["acknowledged_by"], done["resolution_notes"]) == ("resolved", "tests", "cut")
    assert done["resolved_at"] is not None
    assert await _alerts(client, status="resolved") == [done]
    await client.post(INGEST, json=body("ab"))
    [back] = await _alerts(client, status="open")
    assert (back["alert_id"], back["resolved_at"]) == (alert["alert_id"], None)


async def test_alerts_come_in_pages(client: httpx.AsyncClient) -> None:
    for n in range(5):
        await client.post(INGEST, json=body((f"a{n}", f"b{n}"), (f"b{n}", f"a{n}")))
    seen: list[str] = []
    page: dict[str, Any] = {"next_cursor": None}
    while page["next_cursor"] or not seen:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await client.get(PATH, params={"limit": 2} | cursor)).json()
        seen += [alert["cycle_path"][0] for alert in page["circular_dependencies"]]
    assert seen == ["a4", "a3", "a2", "a1", "a0"]
    assert (await client.get(PATH, params={"cursor": "bm8tdXVpZA"})).status_code == 422


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"status": "gone"},
        {"status": "open", "x": 1},
        {"status": "acknowledged", "acknowledged_by": ""},
        {"status": "acknowledged", "acknowledged_by": "x" * 256},
        {"status": "resolved", "resolution_notes": "x" * 4001},
        {"status": "resolved", "resolution_notes": "\0"},
    ],
)
async def test_a_wrong_decision_is_refused(client: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await client.post(INGEST, json=body("ab", "ba"))
    [alert] = await _alerts(client)
    assert (await client.patch(f"{PATH}/{alert['alert_id']}", json=told)).status_code == 422
    assert await _alerts(client) == [alert]


async def test_the_longest_notes_are_kept(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "ba"))
    [alert] = await _alerts(client)
    told = {"status": "resolved", "resolution_notes": "x" * 4000, "acknowledged_by": "y" * 255}
    assert (await client.patch(f"{PATH}/{alert['alert_id']}", json=told)).json()[
        "resolution_notes"
    ] == "x" * 4000


async def test_an_alert_that_is_not_there_is_404_and_an_impossible_one_422(client: httpx.AsyncClient) -> None:
    assert (await client.patch(f"{PATH}/{uuid4()}", json={"status": "open"})).status_code == 404
    assert (await client.patch(f"{PATH}/x", json={"status": "open"})).status_code == 422
