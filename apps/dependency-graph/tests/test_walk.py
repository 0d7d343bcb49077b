"""The recursive CTE against a plain walk, on random graphs with cycles, hubs, stale edges and several sources."""

import json
from itertools import permutations
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from walk import Asked, Found, Row, walk

from dependency_graph.application.queries import DependencyQuery
from dependency_graph.domain.dependency import DiscoverySource
from dependency_graph.infrastructure.database import Database, dumps
from dependency_graph.infrastructure.graph_reader import PostgresReader

NAMES = "abcde"
SOURCES = list(DiscoverySource)[:3]

# A hub is on every other pair.
pairs = st.one_of(
    st.sampled_from(list(permutations(NAMES, 2))),
    st.sampled_from([p for n in NAMES[1:] for p in (("a", n), (n, "a"))]),
)
row = st.builds(
    Row,
    pairs,
    st.sampled_from(SOURCES),
    st.sampled_from(["hard", "soft", "degraded"]),
    st.sampled_from([0.5, 0.75, 0.9, 1.0]),
    st.booleans(),
)
# Lists are short on average unless asked for longer ones.
rows = st.sampled_from([0, 10, 20]).flatmap(
    lambda few: st.lists(row, min_size=few, max_size=few + 15, unique_by=lambda row: (row.pair, row.source))
)
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

LOAD = """
INSERT INTO graph.service_dependencies (
    source_id, target_id, discovery_source, criticality, confidence_score, is_stale,
    first_observed_at, last_observed_at
)
SELECT s.id, t.id, r.discovery_source, r.criticality, r.confidence, r.is_stale, now(), now()
FROM json_to_recordset(CAST(:rows AS json)) AS r (
    source text, target text, discovery_source graph.discovery_source, criticality text,
    confidence double precision, is_stale boolean
)
JOIN graph.services AS s ON s.service_id = r.source
JOIN graph.services AS t ON t.service_id = r.target
"""


async def _store(database: Database, graph: list[Row], external: set[str]) -> None:
    told = [
        {
            "source": row.pair[0],
            "target": row.pair[1],
            "discovery_source": row.source,
            "criticality": row.criticality,
            "confidence": row.confidence,
            "is_stale": row.is_stale,
        }
        for row in graph
    ]
    services = text(
        "INSERT INTO graph.services (service_id, service_type) "
        "SELECT name, CASE WHEN name = ANY (:external) THEN 'external' ELSE 'internal' END "
        "FROM unnest(CAST(:names AS text[])) AS name"
    )
    async with database.write() as connection:
        await connection.execute(text("TRUNCATE graph.services CASCADE"))
        await connection.execute(services, {"names": list(NAMES), "external": list(external)})
        await connection.execute(text(LOAD), {"rows": dumps(told)})


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


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=rows, external=st.sets(st.sampled_from(NAMES), max_size=3), asked=questions)
async def test_the_query_answers_what_a_plain_walk_finds(
    database: Database, graph: list[Row], external: set[str], asked: Asked
) -> None:
    await _store(database, graph, external)
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
