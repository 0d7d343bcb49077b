import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from factories import NOON, body, later

from dependency_graph.api.body_limit import LARGEST_BODY

PATH = "/services/dependencies"


async def _graph(client: httpx.AsyncClient) -> tuple[int, Any, Any]:
    """All that a bad request could have changed."""
    services = (await client.get("/services")).json()
    alerts = (await client.get("/circular-dependencies")).json()
    answer = await client.get("/services/a/dependencies") if services["services"] else None
    return (answer.json()["generation"] if answer else 0), services, alerts


async def test_the_answer_tells_what_was_done(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json=body("ab", nodes={"a": {"team": "t", "tier": 1}}))
    assert answer.status_code == 202
    told = answer.json()
    assert len(told.pop("ingestion_id")) == 36
    assert told == {
        "status": "completed",
        "nodes_received": 1,
        "edges_received": 1,
        "nodes_upserted": 2,
        "edges_upserted": 1,
        "generation": 1,
        "circular_dependencies_detected": [],
        "conflicts_resolved": [],
        "warnings": ["1 unknown service was created as a placeholder"],
        "estimated_completion_seconds": None,
    }


async def test_the_same_body_again_leaves_graph_and_generation(client: httpx.AsyncClient) -> None:
    told = body("ab", nodes={"a": {"n": 1.0, "deep": [{"x": None}], "big": 2**60}}, retry_config={"max": 1e2})
    await client.post(PATH, json=told)
    before = await _graph(client)
    answer = (await client.post(PATH, json=told)).json()
    assert (answer["generation"], answer["nodes_upserted"], answer["edges_upserted"]) == (1, 0, 0)
    assert await _graph(client) == before


async def test_a_change_of_type_alone_is_a_change(client: httpx.AsyncClient) -> None:
    await client.post(PATH, json=body(nodes={"a": {"tier": 1}}))
    answer = await client.post(PATH, json=body(nodes={"a": {"tier": True}}))
    assert answer.json()["generation"] == 2
    assert (await client.get("/services/a")).json()["metadata"]["tier"] is True


async def test_cycles_and_conflicts_are_told_as_the_contract_says(client: httpx.AsyncClient) -> None:
    await client.post(PATH, json=body("ab", "bc", source="otel_service_graph"))
    answer = (await client.post(PATH, json=body("ab", "ca", criticality="soft"))).json()
    [cycle] = answer["circular_dependencies_detected"]
    assert (cycle["cycle_path"], cycle["new"]) == (["a", "b", "c", "a"], True)
    assert answer["conflicts_resolved"] == [
        {
            "edge": {"source": "a", "target": "b"},
            "existing_source": "otel_service_graph",
            "new_source": "manual",
            "resolution": "kept_higher_priority",
            "kept": "manual",
        }
    ]


@pytest.mark.parametrize(
    "ident", ["component:default/checkout", "GET /cart + x", "käse", "支付", "a%2Fb", "%", "?#"]
)
async def test_any_honest_id_works_everywhere(client: httpx.AsyncClient, ident: str) -> None:
    await client.post(PATH, json=body((ident, "b")))
    path = f"/services/{quote(ident, safe='')}"
    # httpx would take dots and the like out of a path that is given as text.
    url = httpx.URL("http://graph").copy_with(raw_path=f"/api/v1{path}".encode())
    deeper = httpx.URL("http://graph").copy_with(raw_path=f"/api/v1{path}/dependencies".encode())
    assert (await client.get(url)).json()["service_id"] == ident
    assert [edge["source"] for edge in (await client.get(deeper)).json()["edges"]] == [ident]
    assert (await client.delete(url)).json() == {"service_id": ident, "deleted_dependencies": 1}


async def test_an_id_with_a_slash_may_stand_as_it_is_unless_it_ends_like_a_sub_route(
    client: httpx.AsyncClient,
) -> None:
    await client.post(PATH, json=body(nodes={"a/b": None, "a/dependencies": None}))
    assert (await client.get("/services/a/b")).json()["service_id"] == "a/b"
    assert (await client.get("/services/a/b/dependencies")).json()["service_id"] == "a/b"
    assert (await client.get("/services/a%2Fdependencies")).json()["service_id"] == "a/dependencies"
    assert (await client.get("/services/a/dependencies")).status_code == 404


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("a source unheard of", {"source": "rumour"}, "/body/source"),
    ("no source", {"source": None}, "/body/source"),
    ("no time zone", {"timestamp": "2026-02-14T10:00:00"}, "/body/timestamp"),
    ("a number as time", {"timestamp": 1771063200}, "/body/timestamp"),
    ("a number in words as time", {"timestamp": "1771063200"}, "/body/timestamp"),
    ("a year that no database has", {"timestamp": "9999-12-31T23:59:59-14:00"}, "/body/timestamp"),
    ("an empty id", {"nodes": [{"service_id": ""}]}, "/body/nodes/0/service_id"),
    ("an id of 256", {"nodes": [{"service_id": "x" * 256}]}, "/body/nodes/0/service_id"),
    ("an id with NUL", {"nodes": [{"service_id": "a\0"}]}, "/body/nodes/0/service_id"),
    ("an id that is a number", {"edges": [{"source": 1, "target": "b"}]}, "/body/edges/0/source"),
    ("no target", {"edges": [{"source": "a"}]}, "/body/edges/0/target"),
    ("an unknown field", {"extra": 1}, "/body/extra"),
    ("an unknown field of an edge", {"edges": [{"source": "a", "target": "b", "x": 1}]}, "/body/edges/0/x"),
    ("nodes that are no list", {"nodes": {}}, "/body/nodes"),
    ("a wrong criticality", {"nodes": [{"service_id": "a", "metadata": {"criticality": "x"}}]}, "/body/nodes/0/metadata/criticality"),
    ("a team that is no text", {"nodes": [{"service_id": "a", "metadata": {"team": 1}}]}, "/body/nodes/0/metadata/team"),
    ("NUL deep in metadata", {"nodes": [{"service_id": "a", "metadata": {"x": [{"y": "\0"}]}}]}, "/body/nodes/0/metadata"),
    ("NUL in a key", {"nodes": [{"service_id": "a", "metadata": {"\0": 1}}]}, "/body/nodes/0/metadata"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "place"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_a_fault_is_named_with_its_place_and_nothing_is_stored(
    client: httpx.AsyncClient, change: dict[str, Any], place: str
) -> None:
    await client.post(PATH, json=body("ab"))
    before = await _graph(client)
    answer = await client.post(PATH, json=body("xy") | change)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [place]
    assert await _graph(client) == before


@pytest.mark.parametrize(
    ("attribute", "good", "bad"),
    [
        ("timeout_ms", [0, 2**31 - 1, None], [-1, 2**31, "5", 1.5, True]),
        ("protocol", ["g", "x" * 64, None], ["", "x" * 65, "a\0", 7]),
        ("communication_mode", ["sync", "async"], ["both", None]),
        ("criticality", ["hard", "soft", "degraded"], ["critical", None]),
        ("retry_config", [{}, {"a": [1]}, None], [[], "x", {"a": "\0"}]),
    ],
)
async def test_attributes_have_their_limits(
    client: httpx.AsyncClient, attribute: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        assert (await client.post(PATH, json=body("ab", **{attribute: value}))).status_code == 202, value
    for value in bad:
        answer = await client.post(PATH, json=body("ab", **{attribute: value}))
        assert answer.status_code == 422, value
        assert answer.json()["errors"][0]["path"] == f"/body/edges/0/attributes/{attribute}", value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"a","metadata":{"x":NaN}}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"a","metadata":{"x":-Infinity}}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"a","metadata":{"x":1e999}}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"a","metadata":{"x":"\\ud800"}}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"\\ud800"}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"\xed\xa0\x80"}]}',
        b'{"source":"manual","timestamp":"2026-02-14T10:00:00Z","nodes":[{"service_id":"a","metadata":{"x":'
        + b"9" * 5000
        + b"}}]}",
    ],
)
async def test_what_is_no_json_that_can_be_stored_is_refused(client: httpx.AsyncClient, text: bytes) -> None:
    answer = await client.post(PATH, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert (await client.get("/services")).json()["services"] == []


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "application/x-ndjson; charset=utf-16", "application/json; charset=utf-16"],
)
async def test_another_media_type_is_told_what_to_send(client: httpx.AsyncClient, media_type: str) -> None:
    content = json.dumps(body("ab")).encode()
    answer = await client.post(PATH, content=content, headers={"Content-Type": media_type})
    assert (answer.status_code, "application/json" in answer.json()["detail"]) == (415, True)


async def test_a_body_of_ten_megabytes_passes_and_one_byte_more_does_not(client: httpx.AsyncClient) -> None:
    told = json.dumps(body(nodes={"a": {"x": ""}})).encode()
    largest = told.replace(b'"x": ""', b'"x": "' + b"y" * (LARGEST_BODY - len(told)) + b'"')
    assert len(largest) == LARGEST_BODY
    headers = {"Content-Type": "application/json"}
    assert (await client.post(PATH, content=largest, headers=headers)).status_code == 202
    answer = await client.post(PATH, content=largest + b" ", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 2**16 + 1):
            yield b" " * 2**16

    assert (await client.post(PATH, content=unannounced(), headers=headers)).status_code == 413


async def test_an_idempotency_key_replays_the_stored_answer(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await client.post(PATH, json=body("ab"), headers=headers)
    await client.post(PATH, json=body("bc"))
    again = await client.post(PATH, json=body("ab"), headers=headers)
    assert again.json() == first.json()
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = await client.post(PATH, json=body("ac"), headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:fleet:problem:idempotency-key-reused")


@pytest.mark.parametrize(("key", "status"), [("x" * 255, 202), ("x" * 256, 422), ("", 422), ("a b", 422)])
async def test_an_idempotency_key_is_1_to_255_visible_characters(
    client: httpx.AsyncClient, key: str, status: int
) -> None:
    answer = await client.post(PATH, json=body("ab"), headers={"Idempotency-Key": key})
    assert answer.status_code == status


async def test_a_failed_request_leaves_its_idempotency_key_free(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "free"}
    assert (await client.post(PATH, json={"source": "x"}, headers=headers)).status_code == 422
    assert (await client.post(PATH, json=body("ab"), headers=headers)).status_code == 202


async def test_of_a_hundred_identical_ingests_at_once_one_does_the_work(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "storm"}
    answers = await asyncio.gather(
        *(client.post(PATH, json=body("ab", "ba"), headers=headers) for _ in range(100))
    )
    done = [answer for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["ingestion_id"] for answer in done}) == 1
    assert (await client.get("/services/a/dependencies")).json()["generation"] == 1


async def test_writers_at_once_lose_nothing(client: httpx.AsyncClient) -> None:
    bodies = [body(("hub", f"s{n}"), (f"s{n}", "hub")) for n in range(40)]
    answers = await asyncio.gather(*(client.post(PATH, json=told) for told in bodies))
    assert sorted(answer.json()["generation"] for answer in answers) == list(range(1, 41))
    assert (await client.get("/services/hub/dependencies")).json()["statistics"]["total_edges"] == 80
    assert len((await client.get("/circular-dependencies")).json()["circular_dependencies"]) == 40


async def test_confidence_grows_with_later_observations_only(client: httpx.AsyncClient) -> None:
    async def confidence() -> float:
        [edge] = (await client.get("/services/a/dependencies")).json()["edges"]
        return edge["confidence_score"]

    await client.post(PATH, json=body("ab", source="kubernetes"))
    once = await confidence()
    await client.post(PATH, json=body("ab", source="kubernetes", at=NOON - timedelta(days=1)))
    assert await confidence() == once
    await client.post(PATH, json=body("ab", source="kubernetes", at=later()))
    assert await confidence() > once


async def test_a_cycle_longer_than_an_index_entry_is_one_alert(client: httpx.AsyncClient) -> None:
    names = [f"{n:02}" + "ü" * 253 for n in range(40)]
    told = body(*zip(names, [*names[1:], names[0]], strict=True))
    assert len((await client.post(PATH, json=told)).json()["circular_dependencies_detected"]) == 1
    [cycle] = (await client.post(PATH, json=told)).json()["circular_dependencies_detected"]
    assert not cycle["new"]
