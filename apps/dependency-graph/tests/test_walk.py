"""The recursive CTE against a plain walk, on random graphs."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, rows, store
from walk import Asked, Found, Row, walk

from dependency_graph.application.queries import DependencyQuery
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader

questions = st.builds(
    Asked,
    st.sampled_from(NAMES),
    st.sampled_from(["both", "upstream", "downstream"]),
    st.integers(1, 10),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.75, 0.95, 1.0]),
    st.sampled_from([None, None, "hard", "soft"]),
    st.sampled_from([1, 3, 1000]),
)


def _found(answer: dict[str, Any]) -> Found:
    statistics = answer["statistics"]
    return Found(
        [(node["service_id"], node["distance"]) for node in answer["nodes"]],
        [
            ((e["source"], e["target"]), e["discovery_source"], tuple(e["discovery_sources"]), e["is_stale"])
            for e in answer["edges"]
        ],
        statistics.get("omitted_nodes", 0),
        statistics.get("omitted_edges", 0),
        statistics["upstream_services"],
        statistics["downstream_services"],
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=rows, external=st.sets(st.sampled_from(NAMES), max_size=3), asked=questions)
async def test_the_query_answers_what_a_plain_walk_finds(
    database: Database, graph: list[Row], external: set[str], asked: Asked
) -> None:
    await store(database, graph, external)
    query = DependencyQuery(
        asked.start,
        asked.direction,  # pyright: ignore[reportArgumentType]  # one of the three
        asked.depth,
        asked.include_stale,
        asked.include_external,
        asked.min_confidence,
        asked.criticality,
        None,
        asked.limit,
    )
    answer = await PostgresReader(database).dependencies(query)
    assert answer is not None
    told = json.loads(answer.body)
    expected = walk(graph, external, asked)
    assert _found(told) == expected
    assert told["statistics"]["total_nodes"] == len(expected.nodes)
    assert told["statistics"]["total_edges"] == len(expected.edges)
    assert told["statistics"]["max_depth_reached"] == max((d for _, d in expected.nodes), default=0)
    assert told["truncated"] == (expected.omitted_nodes > 0)
    known = {node["service_id"] for node in told["nodes"]} | {asked.start}
    assert all({edge["source"], edge["target"]} <= known for edge in told["edges"])
