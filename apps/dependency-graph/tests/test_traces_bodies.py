"""Bodies that the route for spans refuses, or nearly."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from factories import make_key
from spans import CLIENT, JSON, PROTOBUF, SERVER, TRACES, export, protobuf, told

from dependency_graph.api.body_limit import LARGEST_BODY, ContentTooLarge
from dependency_graph.api.otlp import Body
from dependency_graph.api.received_spans import MOST_SPANS

BODY = protobuf(export(a=[told(CLIENT, 1)], b=[told(SERVER, 2, 1)]))
GZIPPED = gzip.compress(BODY, mtime=0)
GZIP = {"Content-Encoding": "gzip"}


async def _refused(client: httpx.AsyncClient, content: bytes, headers: dict[str, str]) -> httpx.Response:
    answer = await client.post(TRACES, content=content, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert (await client.get("services")).json()["services"] == []
    return answer


@pytest.mark.parametrize("coding", ["gzip", " GZIP ", "identity", ""])
async def test_the_body_may_be_compressed(client: httpx.AsyncClient, coding: str) -> None:
    content = gzip.compress(BODY) if "gzip" in coding.lower() else BODY
    answer = await client.post(TRACES, content=content, headers=PROTOBUF | {"Content-Encoding": coding})
    assert answer.status_code == 200
    assert (await client.get("services/a/dependencies")).json()["edges"]


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "gzip, gzip"])
async def test_other_codings_are_refused(client: httpx.AsyncClient, coding: str) -> None:
    answer = await _refused(client, zlib.compress(BODY), PROTOBUF | {"Content-Encoding": coding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1", "application/grpc"])
async def test_other_media_types_are_refused(client: httpx.AsyncClient, kind: str) -> None:
    assert (await _refused(client, BODY, {"Content-Type": kind})).status_code == 415


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"rubbish", PROTOBUF),
        (BODY[:-1], PROTOBUF),
        (b"\x0a\x06\x0a\x04\x0a\x02\x0a\xff", PROTOBUF),  # a text that is not UTF-8
        (b"rubbish", JSON),
        (b"", JSON),
        (b"[]", JSON),
        (b'{"resourceSpans": ["\xff"]}', JSON),
        (b'{"a":' * 9_999 + b"1" + b"}" * 9_999, JSON),
        (GZIPPED[:-9], PROTOBUF | GZIP),
        (GZIPPED[:5], PROTOBUF | GZIP),
        (GZIPPED[:-8] + bytes(8), PROTOBUF | GZIP),
        (GZIPPED + b"rubbish", PROTOBUF | GZIP),
        (BODY, PROTOBUF | GZIP),
    ],
)
async def test_what_cannot_be_decoded_is_refused(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str]
) -> None:
    assert (await _refused(client, content, headers)).status_code == 400


async def test_the_fault_in_json_is_named(client: httpx.AsyncClient) -> None:
    content = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {"kind": "SPAN_KIND_CLIENT"}, 5]}]}]}'
    [fault] = (await _refused(client, content, JSON)).json()["errors"]
    assert fault["path"] == "/body/resourceSpans/0/scopeSpans/0/spans/1/kind"
    assert "integer" in fault["reason"]


async def test_a_body_of_the_largest_size_is_taken_and_a_larger_one_is_not(client: httpx.AsyncClient) -> None:
    for size, status in ((LARGEST_BODY, 200), (LARGEST_BODY + 1, 413)):
        content = b"{}".ljust(size)
        assert (await client.post(TRACES, content=content, headers=JSON)).status_code == status
        squeezed = gzip.compress(content)
        assert (await client.post(TRACES, content=squeezed, headers=JSON | GZIP)).status_code == status


async def test_a_compressed_body_is_held_to_the_limit_too(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield bytes(1024 * 1024)

    assert (await client.post(TRACES, content=endless(), headers=JSON | GZIP)).status_code == 413


def test_a_bomb_is_refused_in_bounded_memory() -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeeze.compress(bytes(1024 * 1024)) for _ in range(1024)) + squeeze.flush()
    assert len(bomb) < 2 * 1024 * 1024
    tracemalloc.start()
    with pytest.raises(ContentTooLarge):
        Body(bomb, PROTOBUF["Content-Type"], is_gzip=True).inflated()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * LARGEST_BODY


async def test_an_export_has_so_many_spans_and_no_more(client: httpx.AsyncClient) -> None:
    for number, status in ((MOST_SPANS, 200), (MOST_SPANS + 1, 413)):
        spans = ",".join(["{}"] * number)
        content = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{spans}]}}]}}]}}'
        answer = await client.post(TRACES, content=content, headers=JSON)
        assert answer.status_code == status, answer.text


async def test_a_key_that_may_write_is_wanted(stranger: httpx.AsyncClient, database_url: str) -> None:
    for scopes, status in (([], 401), (["read"], 403), (["write"], 200)):
        if scopes:
            stranger.headers["X-API-Key"] = await make_key(database_url, *scopes)
        assert (await stranger.post(TRACES, content=BODY, headers=PROTOBUF)).status_code == status
