"""What a body says that it is, however oddly it says it."""

import httpx
import pytest
from factories import body

INGEST = "/services/dependencies"
LINE = b'{"service_id":"a"}\n'
WHEN = {"source": "manual", "timestamp": "2026-02-14T12:00:00Z"}


@pytest.mark.parametrize(
    "told",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf8"'],
)
async def test_json_in_utf_8_may_be_written_in_any_case(client: httpx.AsyncClient, told: str) -> None:
    answer = await client.post(INGEST, json=body("ab"), headers={"Content-Type": told})
    assert answer.status_code == 202


@pytest.mark.parametrize("told", ["application/x-ndjson; charset=UTF-8", "APPLICATION/X-NDJSON"])
async def test_so_may_ndjson(client: httpx.AsyncClient, told: str) -> None:
    answer = await client.post(INGEST, params=WHEN, content=LINE, headers={"Content-Type": told})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "told",
    ["application/ndjson", "application/json; charset=latin-1", "a/b;x*", "application/json;charset=", ""],
)
async def test_another_type_is_told_which_are_read(client: httpx.AsyncClient, told: str) -> None:
    answer = await client.post(INGEST, params=WHEN, content=LINE, headers={"Content-Type": told})
    assert answer.status_code == 415
    assert "application/json or application/x-ndjson" in answer.json()["detail"]


async def test_an_odd_type_harms_no_other_route(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/health", headers={"Content-Type": "a/b;x*"})).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_a_compressed_body_is_refused_with_what_to_do(client: httpx.AsyncClient, kind: str) -> None:
    params = WHEN if "nd" in kind else {}
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    answer = await client.post(INGEST, params=params, content=b"\x1f\x8b", headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
