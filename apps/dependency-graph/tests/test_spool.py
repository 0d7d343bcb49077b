"""What a stream told comes back from PostgreSQL as it was told, in parts that take little memory."""

import json
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import FrameType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dependency_graph.application.ingest import Edge, Node
from dependency_graph.domain.dependency import Attributes
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.parts import in_bytes
from dependency_graph.infrastructure.spool import FileSpool
from dependency_graph.infrastructure.spooled import LARGE_BYTES_IN_A_PART, SMALL_BYTES, PostgresSpooled

AWKWARD = ["\r", "\n", "\r\n", "\t", '"', ",", "\\", "\\.", "\\N", "\\n", "", "NULL", "\n\\.\n", "\x85\u2028"]
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.lists(
    st.sampled_from(AWKWARD), max_size=4
).map("".join)
jsons = st.none() | st.dictionaries(texts, st.none() | texts | st.lists(texts, max_size=2), max_size=2)
nodes = st.builds(Node, texts, jsons)
attributes = st.builds(Attributes, protocol=st.none() | texts, retry_config=jsons)
edges = st.builds(Edge, st.tuples(texts, texts), attributes)


@asynccontextmanager
async def _told(
    database: Database, nodes: Sequence[Node] = (), edges: Sequence[Edge] = ()
) -> AsyncGenerator[PostgresSpooled]:
    with FileSpool(database) as spool:
        spool.add_nodes(nodes)
        spool.add_edges(edges)
        async with spool.delivery() as (_, told):
            yield told


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(nodes, max_size=4, unique_by=lambda node: node.service_id),
    st.lists(edges, max_size=4, unique_by=lambda edge: edge.pair),
)
@example(
    [Node(text, {text: text}) for text in AWKWARD],
    [Edge((text, text), Attributes(protocol=text, retry_config={text: text})) for text in AWKWARD],
)
async def test_every_text_comes_back_as_it_was_told(
    database: Database, nodes: list[Node], edges: list[Edge]
) -> None:
    async with _told(database, nodes, edges) as told:
        found_nodes = [node async for part in told.nodes() for node in part]
        found_edges = [edge async for part in told.edges() for edge in part]
    assert sorted(found_nodes, key=lambda node: node.service_id) == sorted(nodes, key=lambda n: n.service_id)
    assert sorted(found_edges, key=lambda edge: edge.pair) == sorted(edges, key=lambda edge: edge.pair)


SIZES = [SMALL_BYTES // 2, SMALL_BYTES * 2, LARGE_BYTES_IN_A_PART // 3, LARGE_BYTES_IN_A_PART * 2] * 4


def _bytes(value: object) -> int:
    return len(repr(value))


async def test_a_part_of_services_has_at_most_a_megabyte_or_a_single_one(database: Database) -> None:
    told_nodes = [Node(f"s{number}", {"x": "y" * size}) for number, size in enumerate(SIZES)]
    async with _told(database, told_nodes) as told:
        parts = [[(n.service_id, _bytes(n.metadata)) for n in part] async for part in told.nodes()]
    assert sorted(name for part in parts for name, _ in part) == sorted(n.service_id for n in told_nodes)
    assert all(len(part) == 1 or sum(size for _, size in part) <= LARGE_BYTES_IN_A_PART for part in parts)


async def test_a_part_of_dependencies_has_at_most_a_megabyte_or_a_single_one(database: Database) -> None:
    told_edges = [
        Edge(("a", f"s{number}"), Attributes(retry_config={"x": "y" * size}))
        for number, size in enumerate(SIZES)
    ]
    async with _told(database, edges=told_edges) as told:
        parts = [[(e.pair, _bytes(e.attributes.retry_config)) for e in part] async for part in told.edges()]
    assert sorted(pair for part in parts for pair, _ in part) == sorted(edge.pair for edge in told_edges)
    assert all(len(part) == 1 or sum(size for _, size in part) <= LARGE_BYTES_IN_A_PART for part in parts)


async def test_of_large_rows_no_more_than_a_part_is_in_memory(database: Database) -> None:
    large = {"x": "y" * LARGE_BYTES_IN_A_PART}
    async with _told(database, [Node(f"s{number}", large) for number in range(40)]) as told:
        tracemalloc.start()
        try:
            assert [len(part) async for part in told.nodes()] == [1] * 40
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 10 * LARGE_BYTES_IN_A_PART


async def test_json_is_parsed_off_the_event_loop(database: Database) -> None:
    calls = list[str]()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is json.loads.__code__:
            calls.append(event)

    edge = Edge(("a", "b"), Attributes(retry_config={"max": 1}))
    async with _told(database, [Node("a", {"n": 1})], [edge]) as told:
        sys.setprofile(watch)
        try:
            parts = [await anext(told.nodes()), await anext(told.edges())]
        finally:
            sys.setprofile(None)
    assert (parts, calls) == ([[Node("a", {"n": 1})], [edge]], [])


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([], []),
        ([3, 7], [[3, 7]]),
        ([3, 8], [[3], [8]]),
        ([11, 1, 11], [[11], [1], [11]]),
        ([10, 10], [[10], [10]]),
    ],
)
def test_parts_are_cut_at_their_bytes(sizes: list[int], parts: list[list[int]]) -> None:
    assert list(in_bytes([(size, size) for size in sizes], 10)) == parts
