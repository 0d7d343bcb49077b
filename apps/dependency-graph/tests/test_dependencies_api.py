from typing import Any

import httpx
import pytest
from factories import body
from sqlalchemy import text

from dependency_graph.infrastructure.database import Database
from dependency_graph.schemas.dependencies import DependenciesAnswer, EdgeAnswer, NodeAnswer

INGEST = "/services/dependencies"


async def _ask(client: httpx.AsyncClient, service_id: str, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(f"/services/{service_id}/dependencies", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _nodes(answer: dict[str, Any]) -> str:
    return "".join(node["service_id"] for node in answer["nodes"])


def _edges(answer: dict[str, Any]) -> list[str]:
    return [edge["source"] + edge["target"] for edge in answer["edges"]]


async def test_an_answer_has_every_field_of_the_contract(client: httpx.AsyncClient) -> None:
    metadata = {"team": "t", "criticality": "high", "x": [1]}
    await client.post(INGEST, json=body("ab", nodes={"b": metadata}, protocol="grpc", timeout_ms=5))
    answer = await _ask(client, "a")
    # What the documentation says is what is sent.
    documented = DependenciesAnswer.model_validate(answer)
    assert documented.model_dump(mode="json", exclude_unset=True).keys() == answer.keys()
    assert NodeAnswer.model_fields.keys() == answer["nodes"][0].keys()
    assert EdgeAnswer.model_fields.keys() == answer["edges"][0].keys()
    [node], [edge] = answer.pop("nodes"), answer.pop("edges")
    assert answer == {
        "service_id": "a",
        "direction": "both",
        "depth": 3,
        "generation": 1,
        "statistics": {
            "total_nodes": 1,
            "total_edges": 1,
            "upstream_services": 0,
            "downstream_services": 1,
            "max_depth_reached": 1,
        },
        "truncated": False,
    }
    assert len(node.pop("id")) == 36
    assert node == {
        "service_id": "b",
        "team": "t",
        "criticality": "high",
        "service_type": "internal",
        "metadata": metadata,
        "discovered": False,
        "distance": 1,
    }
    assert edge == {
        "source": "a",
        "target": "b",
        "communication_mode": "sync",
        "criticality": "hard",
        "protocol": "grpc",
        "timeout_ms": 5,
        "retry_config": None,
        "confidence_score": 1,
        "discovery_source": "manual",
        "discovery_sources": ["manual"],
        "request_rate": None,
        "error_rate": None,
        "p95_ms": None,
        "last_observed_at": "2026-02-14T12:00:00+00:00",
        "is_stale": False,
    }


async def test_both_directions_are_two_walks_and_never_one_that_turns_round(
    client: httpx.AsyncClient,
) -> None:
    await client.post(INGEST, json=body("ab", "cb", "bd", "ed"))
    assert _nodes(await _ask(client, "b")) == "acd"
    assert _nodes(await _ask(client, "b", direction="upstream")) == "ac"
    assert _edges(await _ask(client, "b", direction="downstream")) == ["bd"]


async def test_depth_counts_steps_and_edges_are_those_walked(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "bc", "cd", "ca", "bx", "cx"))
    answer = await _ask(client, "a", direction="downstream", depth=2)
    assert (_nodes(answer), _edges(answer)) == ("bcx", ["ab", "bc", "bx"])
    assert answer["statistics"]["max_depth_reached"] == 2
    deeper = await _ask(client, "a", direction="downstream", depth=10)
    assert _edges(deeper) == ["ab", "bc", "bx", "ca", "cd", "cx"]
    assert deeper["statistics"]["max_depth_reached"] == 3


async def test_over_the_limit_the_nearest_come_first_and_the_rest_is_counted(
    client: httpx.AsyncClient,
) -> None:
    await client.post(INGEST, json=body("ab", "ac", "bd", "cd"))
    answer = await _ask(client, "a", limit=2)
    assert (_nodes(answer), _edges(answer), answer["truncated"]) == ("bc", ["ab", "ac"], True)
    assert (answer["statistics"]["omitted_nodes"], answer["statistics"]["omitted_edges"]) == (1, 2)
    assert not (await _ask(client, "a", limit=3))["truncated"]


async def test_several_sources_answer_as_one_edge(client: httpx.AsyncClient, database: Database) -> None:
    await client.post(INGEST, json=body("ab", source="toolhive", protocol="http"))
    await client.post(INGEST, json=body("ab", source="kubernetes", protocol="grpc"))
    traffic = "UPDATE graph.service_dependencies SET request_rate = 2, p95_ms = 7 WHERE discovery_source = 'toolhive'"
    async with database.write() as connection:
        await connection.execute(text(traffic))
        await connection.execute(text("UPDATE graph.generation SET value = value + 1"))
    [edge] = (await _ask(client, "a"))["edges"]
    assert (edge["protocol"], edge["discovery_source"]) == ("grpc", "kubernetes")
    assert edge["discovery_sources"] == ["kubernetes", "toolhive"]
    assert edge["confidence_score"] > 0.9
    assert (edge["request_rate"], edge["error_rate"], edge["p95_ms"]) == (2, None, 7)


async def test_filters_by_kind_of_service_and_of_dependency(client: httpx.AsyncClient) -> None:
    kinds = {
        "b": {"service_type": "external"},
        "c": {"criticality": "critical"},
        "d": {"criticality": "critical"},
    }
    await client.post(INGEST, json=body("ab", "bd", nodes=kinds))
    await client.post(INGEST, json=body("ac", criticality="soft"))
    assert _nodes(await _ask(client, "a", include_external=False)) == "c"
    assert _nodes(await _ask(client, "a", criticality="hard")) == "bd"
    assert _nodes(await _ask(client, "a", criticality="soft")) == "c"
    assert _nodes(await _ask(client, "a", criticality="critical")) == "c"
    assert _nodes(await _ask(client, "b", include_external=False)) == "ad"


async def test_stale_and_unsure_edges_are_left_out(client: httpx.AsyncClient, database: Database) -> None:
    await client.post(INGEST, json=body("ab", source="kubernetes"))
    await client.post(INGEST, json=body("ac"))
    async with database.write() as connection:
        await connection.execute(
            text(
                "UPDATE graph.service_dependencies SET is_stale = true WHERE discovery_source = 'kubernetes'"
            )
        )
    assert _nodes(await _ask(client, "a")) == "c"
    assert _nodes(await _ask(client, "a", include_stale=True)) == "bc"
    assert _nodes(await _ask(client, "a", include_stale=True, min_confidence=0.9)) == "c"


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("depth", [1, 10], [0, 11, "x", "", 1.5]),
        ("limit", [1, 10000], [0, 10001]),
        ("min_confidence", [0, 1, "1e-3"], [-0.01, 1.01, "nan", "inf", "x"]),
        ("direction", ["both", "upstream", "downstream"], ["sideways", "BOTH"]),
        ("include_stale", ["true", "false"], ["maybe"]),
        ("criticality", ["hard", "low"], ["none"]),
    ],
)
async def test_parameters_have_their_limits(
    client: httpx.AsyncClient, parameter: str, good: list[Any], bad: list[Any]
) -> None:
    await client.post(INGEST, json=body("ab"))
    for value in good:
        await _ask(client, "a", **{parameter: value})
    for value in bad:
        answer = await client.get("/services/a/dependencies", params={parameter: value})
        assert answer.status_code == 422, value
        assert answer.json()["errors"][0]["path"] == f"/query/{parameter}"


async def test_an_unknown_service_and_an_impossible_id_are_told_apart(client: httpx.AsyncClient) -> None:
    assert (await client.get("/services/nobody/dependencies")).status_code == 404
    for impossible in ("%00", "%FF", "%20a", "x" * 256):
        answer = await client.get(f"/services/{impossible}/dependencies")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"] == "/path/service_id"


async def test_a_known_etag_gives_304_until_the_graph_changes(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab"))
    for path in ("/services/a/dependencies", "/services/a/dependencies", "/services/a/dependencies?depth=3"):
        # The first answer comes from the database, the second from the cache, the third asks the same otherwise.
        answer = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": f'W/"x", {answer.headers["etag"]}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    tags = {
        (await client.get("/services/a/dependencies", params={"depth": depth})).headers["etag"]
        for depth in (2, 3)
    }
    assert len(tags) == 2
    await client.post(INGEST, json=body("ac"))
    fresh = await client.get("/services/a/dependencies", headers={"If-None-Match": answer.headers["etag"]})
    assert (fresh.status_code, len(fresh.json()["nodes"])) == (200, 2)


@pytest.mark.parametrize("known", ["*", 'W/"x", {}', "W/{}"])
async def test_every_way_to_know_an_etag_is_understood(client: httpx.AsyncClient, known: str) -> None:
    await client.post(INGEST, json=body("ab"))
    path = "/services/a/dependencies"
    etag = (await client.get(path)).headers["etag"]
    for fresh in ("", "?depth=3"):
        # From the cache, and past it.
        again = await client.get(path + fresh, headers={"If-None-Match": known.format(etag)})
        assert (again.status_code, again.headers["etag"]) == (304, etag)
    near = await client.get(path, headers={"If-None-Match": f"junk{etag}junk"})
    assert near.status_code == 200


@pytest.mark.parametrize("query", ["directon=upstream", "depth=1&depth=2"])
async def test_an_unknown_or_repeated_parameter_is_refused(client: httpx.AsyncClient, query: str) -> None:
    await client.post(INGEST, json=body("ab"))
    answer = await client.get(f"/services/a/dependencies?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/query/{query.partition('=')[0]}"


async def test_a_repeated_query_gives_the_same_bytes_and_sees_every_write(client: httpx.AsyncClient) -> None:
    path = "/services/a/dependencies"
    await client.post(INGEST, json=body("ab"))
    first, second = await client.get(path), await client.get(path)
    assert first.content == second.content
    assert {"ratelimit", "x-request-id", "etag"} <= set(second.headers)
    for name in "cdef":
        await client.post(INGEST, json=body("a" + name))
        assert name in _nodes((await client.get(path)).json())
    await client.delete("/services/a")
    assert (await client.get(path)).status_code == 404
