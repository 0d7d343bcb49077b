"""A stream does what one JSON body of the same content does, whatever the parts it is read in."""

from typing import Any

from factories import NOON, later
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from dependency_graph.application.cycle_watch import DetectedCycle
from dependency_graph.application.ingest import Batch, Edge, Ingested, Node, ingest
from dependency_graph.application.ingest_stream import MOST_CONFLICTS, Stream, ingest_stream
from dependency_graph.domain.dependency import Attributes, DependencyCriticality, DiscoverySource
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.postgres_graph import graph_transaction
from dependency_graph.infrastructure.spool import FileSpool
from dependency_graph.infrastructure.spooled import SMALL_BYTES

NAMES = ["a", "b", "c", "d", 'e,"f"', "g\\n"]
MANUAL, OTEL = DiscoverySource.MANUAL, DiscoverySource.OTEL_SERVICE_GRAPH
ROWS = """
SELECT 'service', service_id, metadata::text, team, criticality, service_type, discovered::text, NULL, NULL
FROM graph.services
UNION ALL
SELECT 'dependency', s.service_id, t.service_id, discovery_source::text, d.criticality, protocol,
    retry_config::text, observations, is_stale
FROM graph.service_dependencies d
JOIN graph.services s ON s.id = source_id JOIN graph.services t ON t.id = target_id
UNION ALL
SELECT 'alert', cycle_path::text, status, NULL, NULL, NULL, NULL, NULL, NULL
FROM graph.circular_dependency_alerts
"""

name = st.sampled_from(NAMES)
metadata = st.sampled_from(
    [
        None,
        {},
        {"team": "t"},
        {"criticality": "low", "n": 1.0},
        {"x": ['"\n\\', None]},
        {"much": "y" * SMALL_BYTES},
    ]
)
attributes = st.builds(
    Attributes,
    criticality=st.sampled_from(list(DependencyCriticality)),
    protocol=st.sampled_from([None, "grpc", "a,b", '"', "\\N", "\\."]),
    retry_config=st.sampled_from([None, {}, {"max": 3}, {"much": "y" * SMALL_BYTES}]),
)
batches = st.builds(
    Batch,
    st.sampled_from([MANUAL, OTEL]),
    st.sampled_from([NOON, later(), later(48)]),
    st.lists(st.builds(Node, name, metadata), max_size=6),
    st.lists(st.builds(Edge, st.tuples(name, name), attributes), max_size=16),
)


async def _json(batch: Batch, database: Database) -> Ingested:
    async with graph_transaction(database) as graph:
        return await ingest(batch, graph, NOON)


async def _stream(batch: Batch, database: Database, rows_in_a_part: int) -> Ingested:
    real = [edge for edge in batch.edges if edge.pair[0] != edge.pair[1]]
    with FileSpool(database, rows_in_a_part) as spool:
        spool.add_nodes(batch.nodes)
        spool.add_edges(real)
        async with spool.delivery() as (graph, told):
            stream = Stream(batch.source, batch.timestamp, told, len(batch.edges) - len(real))
            return await ingest_stream(stream, graph, NOON)


def _cycle(found: DetectedCycle) -> tuple[Any, ...]:
    return found.alert.cycle, found.alert.status, found.new


async def _outcome(done: Ingested, database: Database) -> tuple[Any, ...]:
    """All that a client can see but for ids and times."""
    async with database.read() as connection:
        rows = sorted(map(repr, await connection.execute(text(ROWS))))
    counts = (done.nodes_upserted, done.edges_upserted, done.generation, list(done.warnings))
    return rows, counts, sorted(map(repr, done.conflicts)), [_cycle(found) for found in done.cycles]


async def _empty(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("TRUNCATE graph.services, graph.circular_dependency_alerts CASCADE"))
        await connection.execute(text("UPDATE graph.generation SET value = 0"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(batches, max_size=2), batch=batches, rows_in_a_part=st.sampled_from([1, 2, 5]))
async def test_a_stream_does_what_one_json_body_does(
    database: Database, before: list[Batch], batch: Batch, rows_in_a_part: int
) -> None:
    async def prepare() -> None:
        await _empty(database)
        for told in before:
            await _json(told, database)

    await prepare()
    expected = await _outcome(await _json(batch, database), database)
    await prepare()
    assert await _outcome(await _stream(batch, database, rows_in_a_part), database) == expected


async def test_conflicts_beyond_a_thousand_are_counted_in_a_warning(database: Database) -> None:
    for extra, warned in ((0, []), (1, ["1 more conflicts were resolved; only the first 1000 are listed"])):
        await _empty(database)
        pairs = [("hub", f"s{number}") for number in range(MOST_CONFLICTS + extra)]
        soft = Attributes(criticality=DependencyCriticality.SOFT)
        await _json(Batch(OTEL, NOON, [], [Edge(pair, soft) for pair in pairs]), database)
        done = await _stream(
            Batch(MANUAL, NOON, [], [Edge(pair, Attributes()) for pair in pairs]), database, 300
        )
        assert (len(done.conflicts), done.warnings) == (MOST_CONFLICTS, warned)


async def test_other_writers_go_on_until_all_that_was_told_is_there(database: Database) -> None:
    with FileSpool(database) as spool:
        spool.add_edges([Edge(("a", "b"), Attributes())])
        async with spool.delivery() as (graph, told):
            await _json(Batch(MANUAL, NOON, [], [Edge(("x", "y"), Attributes())]), database)
            assert (await ingest_stream(Stream(MANUAL, NOON, told, 0), graph, NOON)).generation == 2
