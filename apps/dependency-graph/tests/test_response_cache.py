import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from factories import body
from prometheus_client import REGISTRY

from dependency_graph.application.queries import DependencyQuery, GraphAnswer, GraphVersion
from dependency_graph.domain.errors import GraphUnavailable
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.graph_reader import PostgresReader
from dependency_graph.infrastructure.response_cache import _OVERHEAD_BYTES, CachingReader
from dependency_graph.infrastructure.shared_answers import SharedAnswers

QUERY = DependencyQuery("a", "both", 3, False, True, 0, None, None, 1000)


class CountedReader(PostgresReader):
    """Counts the answers that it gives; they are `answer` of the graph at `at`, once `gate` is open."""

    def __init__(self, revision: UUID | None = None) -> None:
        super().__init__(Database("postgresql://nobody:x@127.0.0.1:1/nothing", 1, 0))
        self.at = GraphVersion(revision or uuid4(), 7)
        self.answer: GraphAnswer | None = GraphAnswer(self.at, b"{}")
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0
        self.at_hand = False

    def has_at_hand(self, query: DependencyQuery, version: GraphVersion) -> bool:
        return self.at_hand

    async def version(self) -> GraphVersion:
        return self.at

    async def dependencies(
        self, query: DependencyQuery, known: GraphVersion | None = None
    ) -> GraphAnswer | None:
        assert known
        self.asked += 1
        await self.gate.wait()
        if self.answer and self.answer.body == b"away":
            raise GraphUnavailable
        return self.answer


@pytest.fixture
def source() -> CountedReader:
    return CountedReader()


@pytest.fixture
async def shared(valkey_url: str) -> AsyncGenerator[SharedAnswers]:
    # A machine that is busy is not what is tested here.
    answers = SharedAnswers.connect(valkey_url, 60, uuid4().hex, timeout_seconds=60)
    yield answers
    await answers.close()


async def _kept(shared: SharedAnswers) -> None:
    await asyncio.gather(*shared._writes)


def _lookups() -> Counter[str]:
    results = ("hit", "memory", "redis", "miss")
    return Counter(
        {
            result: int(REGISTRY.get_sample_value("response_cache_lookups_total", {"result": result}) or 0)
            for result in results
        }
    )


async def test_a_query_is_one_entry_however_it_is_written(client: httpx.AsyncClient) -> None:
    await client.post("/services/dependencies", json=body("ab"))
    before = _lookups()
    spellings = [
        "",
        "?depth=3&direction=both",
        "?direction=both&depth=3",
        "?min_confidence=-0.0",
        "?depth=03",
    ]
    answers = [await client.get(f"/services/a/dependencies{spelling}") for spelling in [*spellings, ""]]
    assert len({answer.content for answer in answers}) == 1
    assert _lookups() - before == Counter(miss=1, memory=4, hit=1)


async def test_what_one_replica_found_out_the_other_need_not(
    source: CountedReader, shared: SharedAnswers
) -> None:
    other = CountedReader(source.at.revision)
    assert await CachingReader(source, shared).dependencies(QUERY) == source.answer
    await _kept(shared)
    before = _lookups()
    for confidence in (0, 0.0, -0.0):
        query = replace(QUERY, min_confidence=confidence)
        assert await CachingReader(other, shared).dependencies(query) == source.answer
    assert (source.asked, other.asked) == (1, 0)
    assert _lookups() - before == Counter(redis=3)


@pytest.mark.parametrize(
    "change",
    [
        {"service_id": "b"},
        {"direction": "upstream"},
        {"depth": 4},
        {"include_stale": True},
        {"include_external": False},
        {"min_confidence": 1e-9},
        {"dependency_criticality": "hard"},
        {"service_criticality": "hard"},
        {"limit": 999},
    ],
)
async def test_every_part_of_a_query_tells_it_from_others(
    source: CountedReader, shared: SharedAnswers, change: dict[str, object]
) -> None:
    await CachingReader(source, shared).dependencies(QUERY)
    await _kept(shared)
    await CachingReader(source, shared).dependencies(replace(QUERY, **change))
    assert source.asked == 2


async def test_two_databases_at_the_same_generation_never_answer_for_each_other(
    source: CountedReader, shared: SharedAnswers
) -> None:
    other = CountedReader()
    other.answer = GraphAnswer(other.at, b'{"other":1}')
    for reader in (source, other):
        assert await CachingReader(reader, shared).dependencies(QUERY) == reader.answer
        await _kept(shared)
    assert await CachingReader(source, shared).dependencies(QUERY) == source.answer


@pytest.mark.parametrize(
    ("renewed", "generation"),
    # The second as after a backup was restored, the third as a release writes it that knows no revisions.
    [(True, 8), (True, 7), (False, 8)],
)
async def test_a_graph_that_changed_is_asked_again(
    source: CountedReader, shared: SharedAnswers, renewed: bool, generation: int
) -> None:
    replicas = [CachingReader(source, shared) for _ in range(2)]
    for replica in replicas:
        await replica.dependencies(QUERY)
        await _kept(shared)
    source.at = GraphVersion(uuid4() if renewed else source.at.revision, generation)
    source.answer = GraphAnswer(source.at, b"[]")
    for replica in replicas:
        assert await replica.dependencies(QUERY) == source.answer
        await _kept(shared)
    assert source.asked == 2


async def test_an_answer_is_kept_under_the_version_that_it_tells_of(
    source: CountedReader, shared: SharedAnswers
) -> None:
    asked, newer = source.at, GraphVersion(uuid4(), 8)
    source.answer = GraphAnswer(newer, b"newer than the version asked for")
    replicas = [CachingReader(source, shared) for _ in range(2)]
    await replicas[0].dependencies(QUERY)
    await _kept(shared)
    source.at = newer
    assert [await replica.dependencies(QUERY) for replica in replicas] == [source.answer] * 2
    assert source.asked == 1
    source.at = asked
    await replicas[1].dependencies(QUERY)
    assert source.asked == 2


async def test_what_is_quicker_to_work_out_is_not_asked_of_redis_nor_kept_there(
    source: CountedReader, shared: SharedAnswers
) -> None:
    source.at_hand = True
    for asked in (1, 2):
        await CachingReader(source, shared).dependencies(QUERY)
        await _kept(shared)
        assert source.asked == asked
    source.at_hand = False
    await CachingReader(source, shared).dependencies(QUERY)
    assert source.asked == 3


async def test_of_many_that_ask_the_same_at_once_one_does_the_work(source: CountedReader) -> None:
    source.gate.clear()
    cached = CachingReader(source, None)
    callers = [asyncio.create_task(cached.dependencies(QUERY)) for _ in range(50)]
    await asyncio.sleep(0)
    # The first may give up; the others want the answer all the same.
    callers[0].cancel()
    source.gate.set()
    assert await asyncio.gather(*callers[1:]) == [source.answer] * 49
    assert source.asked == 1


async def test_a_query_never_shares_the_answer_of_an_older_graph(source: CountedReader) -> None:
    source.gate.clear()
    cached = CachingReader(source, None)
    early = asyncio.create_task(cached.dependencies(QUERY))
    await asyncio.sleep(0)
    source.at = source.at._replace(generation=8)
    late = asyncio.create_task(cached.dependencies(QUERY))
    await asyncio.sleep(0)
    source.gate.set()
    await asyncio.gather(early, late)
    assert source.asked == 2


async def test_a_failure_is_told_to_all_that_wait_and_to_nobody_later(source: CountedReader) -> None:
    source.answer = GraphAnswer(source.at, b"away")
    cached = CachingReader(source, None)
    failed = await asyncio.gather(*[cached.dependencies(QUERY) for _ in range(3)], return_exceptions=True)
    assert [type(failure) for failure in failed] == [GraphUnavailable] * 3
    source.answer = GraphAnswer(source.at, b"{}")
    assert await cached.dependencies(QUERY) == source.answer
    assert source.asked == 2


async def test_that_there_is_no_such_service_is_not_kept(
    source: CountedReader, shared: SharedAnswers
) -> None:
    source.answer = None
    cached = CachingReader(source, shared)
    assert [await cached.dependencies(QUERY) for _ in range(2)] == [None, None]
    assert source.asked == 2


async def test_memory_holds_so_many_bytes_and_the_least_recently_asked_goes_first(
    source: CountedReader,
) -> None:
    size = 1000 + _OVERHEAD_BYTES + 1
    source.answer = GraphAnswer(source.at, b"x" * 1000)
    cached = CachingReader(source, None, cached_bytes=3 * size)
    queries = [replace(QUERY, limit=limit) for limit in (1, 2, 3, 1, 4, 1, 3, 2)]
    for query in queries:
        await cached.dependencies(query)
    # 1, 2, 3 and 4 are found out; then 2, which had to go for 4, is again.
    assert source.asked == 5
    assert cached._kept.currsize == 3 * size


@pytest.mark.parametrize(("spare", "asked"), [(0, 1), (-1, 2)])
async def test_an_answer_larger_than_the_memory_for_all_is_not_kept(
    source: CountedReader, spare: int, asked: int
) -> None:
    source.answer = GraphAnswer(source.at, b"x" * 5000)
    cached = CachingReader(source, None, cached_bytes=5000 + _OVERHEAD_BYTES + 1 + spare)
    assert [await cached.dependencies(QUERY) for _ in range(2)] == [source.answer] * 2
    assert source.asked == asked
