"""Reading a stream, from clients that are slow or go away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from factories import NOON
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from dependency_graph.api.ndjson import read_lines
from dependency_graph.api.told_lines import ToldLines
from dependency_graph.application.ingest import Edge, Node
from dependency_graph.domain.dependency import DiscoverySource
from problem_details import Problem


class ListSpool:
    def __init__(self, *, full: bool = False) -> None:
        self.told: list[Any] = []
        self.full = full

    def add_nodes(self, nodes: Sequence[Node]) -> None:
        self.told += [node.service_id for node in nodes]

    def add_edges(self, edges: Sequence[Edge]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.told += [edge.pair for edge in edges]

    def delivery(self) -> Any: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *of: object) -> None: ...


def _lines(spool: ListSpool) -> ToldLines:
    return ToldLines(DiscoverySource.MANUAL, NOON, spool)


async def _chunks(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if then:
        raise then


BODY = "".join(f'{{"service_id":"ä{n}"}}\n{{"source":"a","target":"ß{n}"}}\n' for n in range(5)).encode()


@given(st.lists(st.integers(0, len(BODY)), max_size=8).map(sorted))
async def test_it_does_not_matter_where_a_body_is_cut(cuts: list[int]) -> None:
    spool, whole = ListSpool(), ListSpool()
    ends = [0, *cuts, len(BODY)]
    lines, all_at_once = _lines(spool), _lines(whole)
    await read_lines(_chunks(*[BODY[a:b] for a, b in pairwise(ends)]), lines)
    await read_lines(_chunks(BODY), all_at_once)
    assert (sorted(map(str, spool.told)), lines.digest) == (sorted(map(str, whole.told)), all_at_once.digest)
    assert len(whole.told) == 10


async def test_a_client_that_sends_nothing_for_long_is_given_up() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.Event().wait()

    with pytest.raises(Problem) as raised:
        await read_lines(stalled(), _lines(ListSpool()), patience_seconds=0.05)
    assert (raised.value.status, raised.value.headers) == (408, {"Connection": "close"})


async def test_the_wait_is_for_each_part_and_not_for_the_whole(skip_ahead: Callable[[float], None]) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for place in range(0, len(BODY), 20):
            skip_ahead(2000)
            await asyncio.sleep(0.02)
            yield BODY[place : place + 20]

    spool = ListSpool()
    await read_lines(slow(), _lines(spool), patience_seconds=3000)
    assert len(spool.told) == 10


@pytest.mark.parametrize(("full", "then", "status"), [(False, ClientDisconnect(), 400), (True, None, 507)])
async def test_a_body_that_is_not_whole_or_finds_no_room_is_refused(
    full: bool, then: Exception | None, status: int
) -> None:
    with pytest.raises(Problem) as raised:
        await read_lines(_chunks(BODY, then=then), _lines(ListSpool(full=full)))
    assert raised.value.status == status
