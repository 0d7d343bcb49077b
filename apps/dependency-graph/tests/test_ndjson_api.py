"""Bodies of any length: each line is held to what a JSON body is held to, and named by its number."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from factories import NOON, body

from dependency_graph.api.told_lines import LONGEST_LINE, MOST_FAULTS

PATH = "/services/dependencies"
NDJSON = {"Content-Type": "application/x-ndjson"}
QUERY = {"source": "manual", "timestamp": NOON.isoformat()}
EDGE = b'{"source":"a","target":"b"}'


async def _post(client: httpx.AsyncClient, *lines: bytes, **headers: str) -> httpx.Response:
    return await client.post(PATH, content=b"\n".join(lines), params=QUERY, headers=NDJSON | headers)


async def _is_empty(client: httpx.AsyncClient) -> bool:
    return (await client.get("/services")).json()["services"] == []


def _lines(told: dict[str, Any]) -> list[bytes]:
    return [json.dumps(item).encode() for item in [*told["edges"], *told["nodes"]]]


async def test_the_answer_is_that_of_a_json_body(client: httpx.AsyncClient) -> None:
    told = body("ab", "ba", "ab", "cc", nodes={"a": {"team": "t"}}, protocol="g\rpc", retry_config={"max": 1})
    streamed = (await _post(client, *_lines(told))).json()
    for name in ("a", "b"):
        await client.delete(f"/services/{name}")
    answered = (await client.post(PATH, json=told)).json()
    for answer in (streamed, answered):
        del answer["ingestion_id"], answer["generation"]
        for cycle in answer["circular_dependencies_detected"]:
            del cycle["alert_id"], cycle["new"]
    assert streamed == answered
    assert (streamed["nodes_received"], streamed["edges_received"]) == (1, 4)


@pytest.mark.parametrize(
    "text", [EDGE, EDGE + b"\n", EDGE + b"\r\n\r\n", b"\n \t\n" + EDGE, b"  " + EDGE + b"  \n", b"", b"\n"]
)
async def test_lines_may_be_blank_or_end_like_those_of_windows(
    client: httpx.AsyncClient, text: bytes
) -> None:
    answer = await _post(client, text)
    assert (answer.status_code, answer.json()["edges_received"]) == (202, text.count(EDGE))


BAD: list[tuple[bytes, str]] = [
    (b"{", "/body/line 3"),
    (b"null", "/body/line 3"),
    (b"[]", "/body/line 3"),
    (b"{}", "/body/line 3"),
    (b'{"metadata":{}}', "/body/line 3"),
    (b'{"service_id":"a","source":"a","target":"b"}', "/body/line 3"),
    (b'{"service_id":"a"}{"service_id":"b"}', "/body/line 3"),
    (b'{"service_id":"a","metadata":{"x":NaN}}', "/body/line 3"),
    (b'{"service_id":"\\ud800"}', "/body/line 3"),
    (b'{"service_id":"\xff"}', "/body/line 3"),
    (b'{"service_id":"a","extra":1}', "/body/line 3/extra"),
    (b'{"service_id":"a","metadata":{"criticality":"x"}}', "/body/line 3/metadata/criticality"),
    (b'{"service_id":"a","metadata":{"x":1e999}}', "/body/line 3/metadata"),
    (b'{"source":"a"}', "/body/line 3/target"),
    (b'{"target":"a"}', "/body/line 3/source"),
    (b'{"source":"a","target":1}', "/body/line 3/target"),
    (b'{"source":"a","target":"b","attributes":{"timeout_ms":-1}}', "/body/line 3/attributes/timeout_ms"),
]


@pytest.mark.parametrize(("line", "place"), BAD)
async def test_a_bad_line_is_named_by_its_number_and_nothing_is_stored(
    client: httpx.AsyncClient, line: bytes, place: str
) -> None:
    answer = await _post(client, EDGE, b"", line, EDGE)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [place]
    assert await _is_empty(client)


@pytest.mark.parametrize(("bad", "named"), [(MOST_FAULTS, MOST_FAULTS), (MOST_FAULTS + 1, MOST_FAULTS)])
async def test_up_to_a_hundred_faults_are_named(client: httpx.AsyncClient, bad: int, named: int) -> None:
    answer = await _post(client, *[b"{}"] * bad)
    assert [error["path"] for error in answer.json()["errors"]] == [
        f"/body/line {n + 1}" for n in range(named)
    ]


async def test_a_line_of_ten_megabytes_passes_and_one_byte_more_does_not(client: httpx.AsyncClient) -> None:
    start, end = b'{"service_id":"a","metadata":{"x":"', b'"}}'
    longest = start + b"y" * (LONGEST_LINE - len(start) - len(end)) + end
    assert (await _post(client, EDGE, longest, EDGE)).status_code == 202
    for lines in ([EDGE, longest + b" ", EDGE], [EDGE, b"[" * (LONGEST_LINE + 2**20)]):
        answer = await _post(client, *lines)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (413, "/body/line 2")


async def test_a_body_may_be_longer_than_a_json_body(client: httpx.AsyncClient) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for _ in range(LONGEST_LINE // 2**16 + 1):
            yield b" " * (2**16 - 1) + b"\n"
        yield EDGE

    answer = await client.post(PATH, content=lines(), params=QUERY, headers=NDJSON)
    assert (answer.status_code, answer.json()["edges_upserted"]) == (202, 1)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("source=manual", "/query/timestamp"),
        ("timestamp=2026-02-14T10:00:00Z", "/query/source"),
        ("source=rumour&timestamp=2026-02-14T10:00:00Z", "/query/source"),
        ("source=manual&timestamp=1771063200", "/query/timestamp"),
        ("source=manual&timestamp=2026-02-14T10:00:00", "/query/timestamp"),
        ("source=manual&source=manual&timestamp=2026-02-14T10:00:00Z", "/query/source"),
        ("source=manual&timestamp=2026-02-14T10:00:00Z&depth=1", "/query/depth"),
    ],
)
async def test_source_and_time_stand_in_the_query(client: httpx.AsyncClient, query: str, place: str) -> None:
    answer = await client.post(f"{PATH}?{query}", content=EDGE, headers=NDJSON)
    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (422, [place])


async def test_a_plus_that_was_not_encoded_is_explained(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        f"{PATH}?source=manual&timestamp=2026-02-14T10:00:00+01:00", content=EDGE, headers=NDJSON
    )
    assert "%2B" in answer.json()["errors"][0]["reason"]


async def test_a_json_body_takes_nothing_from_the_query(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json=body("ab"), params=QUERY)
    assert {error["path"] for error in answer.json()["errors"]} == {"/query/source", "/query/timestamp"}


async def test_an_idempotency_key_replays_the_answer_to_the_same_stream_only(
    client: httpx.AsyncClient,
) -> None:
    first = await _post(client, EDGE, **{"Idempotency-Key": "k"})
    again = await _post(client, EDGE, **{"Idempotency-Key": "k"})
    assert again.json() == first.json()
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert "idempotency-replayed" not in first.headers
    other = await _post(client, EDGE + b" ", **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:fleet:problem:idempotency-key-reused")
    later = {"source": "manual", "timestamp": "2026-02-15T10:00:00Z"}
    headers = NDJSON | {"Idempotency-Key": "k"}
    assert (await client.post(PATH, content=EDGE, params=later, headers=headers)).status_code == 422


@pytest.mark.parametrize("media_type", ["application/x-ndjson; charset=utf-8", "APPLICATION/X-NDJSON"])
async def test_the_media_type_is_read_as_http_writes_it(client: httpx.AsyncClient, media_type: str) -> None:
    assert (await _post(client, EDGE, **{"Content-Type": media_type})).status_code == 202


async def test_what_is_taken_in_is_counted_by_source(client: httpx.AsyncClient) -> None:
    async def counted() -> list[float]:
        lines = (await client.get("http://graph/metrics")).text.splitlines()
        told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        names = [f'graph_ingested_{noun}_total{{source="toolhive"}}' for noun in ("services", "dependencies")]
        return [float(told.get(name, 0)) for name in names]

    before = await counted()
    query = QUERY | {"source": "toolhive"}
    await client.post(PATH, content=EDGE + b'\n{"service_id":"a"}', params=query, headers=NDJSON)
    await client.post(PATH, content=EDGE + b"\n{}", params=query, headers=NDJSON)
    await client.post(PATH, json=body("ab", "bc", source="toolhive"))
    assert [after - b for after, b in zip(await counted(), before, strict=True)] == [1, 3]
