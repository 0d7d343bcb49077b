import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from typing import NamedTuple, Protocol
from uuid import UUID

from cachetools import LRUCache
from prometheus_client import Counter

from dependency_graph.application.queries import (
    AlertView,
    DependencyQuery,
    GraphAnswer,
    GraphReader,
    GraphVersion,
    ServiceFilter,
    ServiceView,
)
from dependency_graph.infrastructure.shared_answers import SharedAnswers
from dependency_graph.infrastructure.statements import statement

CACHED_BYTES = 16 * 1024 * 1024
"""In each process, beside those of `AnswerCache`; most are the same objects."""

_OVERHEAD_BYTES = 1000

LOOKUPS = Counter(
    "response_cache_lookups",
    "Queries by where their answer came from: hit (the message as it was), memory, redis, miss (worked out)",
    ["result"],
)


class VersionedReader(GraphReader, Protocol):
    async def dependencies(
        self, query: DependencyQuery, known: GraphVersion | None = None
    ) -> GraphAnswer | None:
        """As the port has it; a caller that has just asked for the version says what it is."""
        ...

    def has_at_hand(self, query: DependencyQuery, version: GraphVersion) -> bool:
        """Whether the answer takes no database, so that it is quicker than a cache outside the process."""
        ...


class _Kept(NamedTuple):
    answer: GraphAnswer
    size: int


class CachingReader:
    """Answers queries from memory or Redis for as long as the graph stays as it is, and else by `reader`.

    The version of the graph is asked of `reader` at every query, and an answer is kept under the version that
    it tells of. A query that is asked while the same one is being answered shares its answer.
    """

    def __init__(
        self, reader: VersionedReader, shared: SharedAnswers | None, cached_bytes: int = CACHED_BYTES
    ) -> None:
        self._reader = reader
        self._shared = shared
        self._kept: LRUCache[DependencyQuery, _Kept] = LRUCache(
            cached_bytes, getsizeof=lambda kept: kept.size
        )
        self._searches: dict[tuple[GraphVersion, DependencyQuery], asyncio.Task[GraphAnswer | None]] = {}

    async def version(self) -> GraphVersion:
        return await self._reader.version()

    async def dependencies(self, query: DependencyQuery) -> GraphAnswer | None:
        version = await self._reader.version()
        kept = self._kept.get(query)
        if kept and kept.answer.version == version:
            LOOKUPS.labels("memory").inc()
            return kept.answer
        asked = (version, query)
        if search := self._searches.get(asked):
            LOOKUPS.labels("memory").inc()
        else:
            search = self._searches[asked] = asyncio.create_task(self._search(version, query))
            search.add_done_callback(lambda _: self._searches.pop(asked))
        # Shielded, as others may want the answer when this caller is cancelled.
        return await asyncio.shield(search)

    async def service(self, service_id: str) -> ServiceView | None:
        return await self._reader.service(service_id)

    async def services(self, wanted: ServiceFilter, after: str, limit: int) -> Sequence[ServiceView]:
        return await self._reader.services(wanted, after, limit)

    async def alerts(self, status: str | None, after: UUID | None, limit: int) -> Sequence[AlertView]:
        return await self._reader.alerts(status, after, limit)

    async def _search(self, version: GraphVersion, query: DependencyQuery) -> GraphAnswer | None:
        shared = None if self._reader.has_at_hand(query, version) else self._shared
        if shared and (body := await shared.find(_key(version, query))):
            LOOKUPS.labels("redis").inc()
            answer = GraphAnswer(version, body)
        else:
            LOOKUPS.labels("miss").inc()
            answer = await self._reader.dependencies(query, version)
            if answer is None:
                return None
            if shared:
                # Not under `version`, as a write may have come in between.
                shared.keep(_key(answer.version, query), answer.body)
        size = len(answer.body) + len(query.service_id) + _OVERHEAD_BYTES
        if size <= self._kept.maxsize:
            self._kept[query] = _Kept(answer, size)
        return answer


def _key(version: GraphVersion, query: DependencyQuery) -> str:
    # Queries that are equal have one text: 0, 0.0 and -0.0 are the same confidence.
    text = repr(replace(query, min_confidence=query.min_confidence + 0.0))
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_form_of_answers()).hexdigest()
    return f"{version.revision.hex}:{version.generation}:{digest}"


@cache
def _form_of_answers() -> bytes:
    """Changes with the statement that writes them, as replicas of two releases may share one Redis."""
    return blake2b(str(statement("dependencies_of")).encode(), digest_size=16).digest()
