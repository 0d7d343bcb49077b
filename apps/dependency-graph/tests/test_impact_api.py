from itertools import pairwise
from typing import Any

import httpx
import pytest
from factories import body

INGEST = "/services/dependencies"


async def _ask(client: httpx.AsyncClient, service_id: str, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(f"/services/{service_id}/impact", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _hit(answer: dict[str, Any]) -> str:
    return " ".join(f"{one['service_id']}:{one['impact']}" for one in answer["impacted"])


async def test_an_answer_has_every_field_of_the_contract(client: httpx.AsyncClient) -> None:
    told = body("ab", nodes={"a": {"team": "web", "criticality": "high"}})
    await client.post(INGEST, json=told)
    assert await _ask(client, "b") == {
        "service_id": "b",
        "generation": 1,
        "impacted": [
            {
                "service_id": "a",
                "impact": "fails",
                "distance": 1,
                "criticality": "high",
                "team": "web",
                "path": ["a", "b"],
            }
        ],
        "statistics": {
            "total": 1,
            "fails": 1,
            "degrades": 0,
            "max_distance": 1,
            "by_criticality": {"critical": 0, "high": 1, "medium": 0, "low": 0},
        },
        "truncated": False,
    }


async def test_soft_and_degraded_dependencies_degrade_what_is_above_them(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("cd"))
    await client.post(INGEST, json=body("bc", criticality="soft"))
    await client.post(INGEST, json=body("ed", criticality="degraded"))
    await client.post(INGEST, json=body("ab"))
    assert _hit(await _ask(client, "d")) == "c:fails e:degrades b:degrades a:degrades"


async def test_the_strongest_source_says_how_hard_a_dependency_is(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", source="kubernetes", criticality="hard"))
    await client.post(INGEST, json=body("ab", source="service_mesh", criticality="soft"))
    assert _hit(await _ask(client, "b")) == "a:degrades"


async def test_all_that_is_upstream_is_told_however_far(client: httpx.AsyncClient) -> None:
    names = [f"s{n:02}" for n in range(16)]
    await client.post(INGEST, json=body(*pairwise(names)))
    await client.post(INGEST, json=body(("s00", "s15"), criticality="soft"))
    hit = (await _ask(client, "s15"))["impacted"]
    assert {one["service_id"]: one["impact"] for one in hit} == dict.fromkeys(names[:-1], "fails")


async def test_depth_and_limit_are_kept(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body("ab", "bc", "ca"))
    assert _hit(await _ask(client, "c", depth=1)) == "b:fails"
    assert _hit(await _ask(client, "c")) == "b:fails a:fails"
    first = await _ask(client, "c", limit=1)
    assert (_hit(first), first["truncated"], first["statistics"]["total"]) == ("b:fails", True, 2)


@pytest.mark.parametrize("parameters", ["depth=0", "depth=1001", "limit=0", "limit=10001", "deep=1"])
async def test_a_parameter_out_of_bounds_is_refused(client: httpx.AsyncClient, parameters: str) -> None:
    answer = await client.get(f"/services/a/impact?{parameters}")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize("parameters", ["depth=1", "depth=1000", "limit=1", "limit=10000"])
async def test_a_parameter_at_its_bound_is_taken(client: httpx.AsyncClient, parameters: str) -> None:
    assert (await client.get(f"/services/nobody/impact?{parameters}")).status_code == 404


async def test_an_id_that_holds_a_slash_is_taken_encoded_or_as_it_is(client: httpx.AsyncClient) -> None:
    await client.post(INGEST, json=body(("a", "component:default/b")))
    assert _hit(await _ask(client, "component:default%2Fb")) == "a:fails"
    assert _hit(await _ask(client, "component:default/b")) == "a:fails"
