"""Small random graphs with cycles, hubs, stale edges and several sources, and how they get into a database."""

from itertools import permutations

from hypothesis import strategies as st
from sqlalchemy import text
from walk import Row

from dependency_graph.domain.dependency import DiscoverySource
from dependency_graph.infrastructure.database import Database, dumps

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


async def store(database: Database, graph: list[Row], external: set[str]) -> None:
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
