"""Spans over OTLP/HTTP, and what becomes of them."""

from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from spans import (
    CLIENT,
    CONSUMER,
    INTERNAL,
    PRODUCER,
    PROTOBUF,
    SERVER,
    TRACES,
    export,
    protobuf,
    span_id,
    told,
)

CALLER, CALLEE = told(CLIENT, 1), told(SERVER, 2, 1)


async def _send(client: httpx.AsyncClient, exported: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(TRACES, json=exported)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


async def _send_protobuf(client: httpx.AsyncClient, exported: dict[str, Any]) -> ExportTraceServiceResponse:
    answer = await client.post(TRACES, content=protobuf(exported), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF["Content-Type"])
    return ExportTraceServiceResponse.FromString(answer.content)


async def _edges(client: httpx.AsyncClient, service: str = "a") -> dict[str, Any]:
    answer = await client.get(f"services/{service}/dependencies?direction=downstream&depth=1")
    return {edge["target"]: edge for edge in answer.json().get("edges", [])}


async def test_spans_in_json_make_a_dependency(client: httpx.AsyncClient) -> None:
    assert await _send(client, export(a=[CALLER], b=[CALLEE])) == {}
    edge = (await _edges(client))["b"]
    assert (edge["discovery_source"], edge["communication_mode"]) == ("otel_service_graph", "sync")
    assert edge["request_rate"] is None


async def test_spans_in_protobuf_make_a_dependency(client: httpx.AsyncClient) -> None:
    response = await _send_protobuf(client, export(a=[CALLER], b=[CALLEE]))
    assert not response.HasField("partial_success")
    assert (await _edges(client)).keys() == {"b"}


async def test_halves_in_different_encodings_and_requests_find_each_other(client: httpx.AsyncClient) -> None:
    await _send(client, export(b=[CALLEE]))
    assert await _edges(client) == {}
    await _send_protobuf(client, export(a=[CALLER]))
    assert (await _edges(client)).keys() == {"b"}


async def test_ids_in_json_may_be_in_capitals(client: httpx.AsyncClient) -> None:
    loud = CALLEE | {name: CALLEE[name].upper() for name in ("traceId", "spanId", "parentSpanId")}
    trace = {"traceId": "AB" * 16}
    await _send(client, export(a=[CALLER | {"traceId": "ab" * 16}], b=[loud | trace]))
    assert (await _edges(client)).keys() == {"b"}


async def test_consumers_find_producers_by_parent_and_by_link(client: httpx.AsyncClient) -> None:
    by_parent, by_link = told(CONSUMER, 2, 1), told(CONSUMER, 9, trace=7, links=[span_id(1), span_id(5)])
    for send in (_send, _send_protobuf):
        await send(client, export(a=[told(PRODUCER, 1)], b=[by_parent], c=[by_link]))
    edges = await _edges(client)
    assert {name: edge["communication_mode"] for name, edge in edges.items()} == {"b": "async", "c": "async"}


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"db.system": "redis"}, "redis"),
        ({"db.system.name": "postgresql", "db.system": "other_sql"}, "postgresql"),
        ({"db.system": "mysql", "db.name": "orders"}, "orders"),
        ({"db.system": "mysql", "db.name": "old", "db.namespace": "new"}, "new"),
        ({"db.system": "mysql", "db.name": "orders", "peer.service": "orders-db"}, "orders-db"),
        ({"db.system": "mysql", "peer.service": " ", "db.name": "orders\n"}, "mysql"),
    ],
)
async def test_a_client_of_a_database_makes_a_dependency_alone(
    client: httpx.AsyncClient, attributes: dict[str, str], name: str
) -> None:
    assert await _send(client, export(a=[told(CLIENT, 1, attributes=attributes)])) == {}
    assert (await _edges(client)).keys() == {name}
    assert (await client.get(f"services/{name}")).json()["service_type"] == "database"


async def test_a_service_with_a_database_of_its_name_stays_a_service(client: httpx.AsyncClient) -> None:
    query = told(CLIENT, 3, attributes={"db.system": "mysql", "db.name": "orders"})
    await _send(client, export(a=[CALLER], orders=[CALLEE, query]))
    await _send(client, export(orders=[told(CLIENT, 4)], b=[told(SERVER, 5, 4)]))
    await _send(client, export(c=[query]))
    assert (await client.get("services/orders")).json()["service_type"] == "internal"
    assert (await _edges(client, "c")).keys() == {"orders"}


async def test_a_peer_that_is_only_named_is_no_dependency(client: httpx.AsyncClient) -> None:
    await _send(client, export(a=[told(CLIENT, 1, attributes={"peer.service": "b"})]))
    assert await _edges(client) == {}


async def test_what_is_sent_twice_is_there_once(client: httpx.AsyncClient) -> None:
    for send in (_send, _send, _send_protobuf):
        await send(client, export(a=[CALLER], b=[CALLEE]))
    assert (await client.get("services/a/dependencies")).json()["generation"] == 1


async def test_spans_inside_a_service_are_ignored(client: httpx.AsyncClient) -> None:
    odd = told(INTERNAL, 3) | {"traceId": "no id"}
    assert await _send(client, export(**{"": [odd, told(0, 4), told(17, 5)]})) == {}


WRONG_IDS = [
    {"traceId": ""},
    {"traceId": "00" * 16},
    {"traceId": "ab" * 15},
    {"traceId": "no hex at all!!!"},
    {"spanId": None},
    {"spanId": "00" * 8},
    {"spanId": "ab" * 9},
    {"parentSpanId": "ab"},
    {"parentSpanId": "not hexadecimal!"},
]


@pytest.mark.parametrize("wrong", WRONG_IDS)
async def test_a_span_with_a_wrong_id_is_rejected_and_the_others_are_taken(
    client: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    answer = await _send(client, export(a=[CALLER], b=[CALLEE, told(SERVER, 7, 1) | wrong]))
    assert answer["partialSuccess"]["rejectedSpans"] == "1"
    assert "a trace id is 16 bytes" in answer["partialSuccess"]["errorMessage"]
    assert (await _edges(client)).keys() == {"b"}


async def test_a_root_may_have_zeros_for_a_parent(client: httpx.AsyncClient) -> None:
    assert await _send(client, export(a=[told(SERVER, 1) | {"parentSpanId": "00" * 8}])) == {}


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 256])
async def test_spans_of_a_service_without_a_usable_name_are_rejected(
    client: httpx.AsyncClient, name: str
) -> None:
    spans = export(a=[CALLER], b=[CALLEE]) | {}
    spans["resourceSpans"] += export(**{name: [told(CLIENT, 5), told(SERVER, 6, 1)]})["resourceSpans"]
    response = await _send_protobuf(client, spans)
    assert response.partial_success.rejected_spans == 2
    assert "service.name" in response.partial_success.error_message
    assert (await _edges(client)).keys() == {"b"}


async def test_spans_of_no_resource_at_all_are_rejected(client: httpx.AsyncClient) -> None:
    answer = await _send(client, {"resourceSpans": [{"scopeSpans": [{"spans": [CALLER]}]}]})
    assert answer["partialSuccess"]["rejectedSpans"] == "1"


async def test_a_name_of_255_characters_is_usable(client: httpx.AsyncClient) -> None:
    assert await _send(client, export(**{"x" * 255: [CALLER]})) == {}


async def test_unknown_fields_and_nulls_are_tolerated(client: httpx.AsyncClient) -> None:
    odd = {"resource": None, "scopeSpans": None, "schemaUrl": 1, "new": {"field": [1]}}
    caller = CALLER | {
        "links": None,
        "parentSpanId": None,
        "flags": "many",
        "attributes": [{}, {"value": {}}],
    }
    sent = export(a=[caller], b=[CALLEE])
    sent["resourceSpans"] += [odd, {"scopeSpans": [{"spans": None}]}]
    assert await _send(client, sent) == {}
    assert (await _edges(client)).keys() == {"b"}


async def test_nothing_is_a_whole_export_in_protobuf(client: httpx.AsyncClient) -> None:
    assert await _send_protobuf(client, {"resourceSpans": []}) == ExportTraceServiceResponse()
    assert await _send(client, {}) == {}


async def test_the_spans_and_dependencies_are_counted(client: httpx.AsyncClient) -> None:
    async def counted() -> dict[str, float]:
        lines = (await client.get("http://graph/metrics")).text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("traces_"))
        return {name: float(value) for name, value in pairs if "_total" in name}

    before = await counted()
    await _send(client, export(a=[CALLER, told(INTERNAL, 9)], b=[CALLEE, told(SERVER, 7) | {"traceId": ""}]))
    after = await counted()
    assert {name: after[name] - before.get(name, 0) for name in after} == {
        'traces_spans_total{result="used"}': 2,
        'traces_spans_total{result="ignored"}': 1,
        'traces_spans_total{result="rejected"}': 1,
        "traces_dependencies_total": 1,
    }
