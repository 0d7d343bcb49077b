import asyncio
from collections.abc import Collection, Mapping, Sequence

from prometheus_client import Counter, Histogram

from fleet_metadata.collection.answer import Answer, AnswerBuilder
from fleet_metadata.collection.attempt import logged
from fleet_metadata.collection.cleaning import Cleaning
from fleet_metadata.collection.crowd import Crowd
from fleet_metadata.collection.selection import EVERYTHING, Selection
from fleet_metadata.collection.sources import DEADLINE_SECONDS, Source, source_of
from fleet_metadata.collection.taken import Status, Taken
from fleet_metadata.collector import Collector
from fleet_metadata.key import Key

# All collectors keep to their deadline; where a machine stands still, a late answer is better than none.
_GIVEN_UP_AFTER_SECONDS = 60.0
_CROWDS = 100

_answers = Counter("metadata_collector_answers", "What collectors had to tell", ["collector", "status"])
_seconds = Histogram(
    "metadata_collection_seconds",
    "How long the last collection took at each answer",
    ["collector"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)


class Board:
    """All that the collectors tell of the workspace; call `stop` at the end.

    Concurrent readers of the same selection share an answer, and collectors their collections.
    """

    def __init__(
        self,
        collectors: Sequence[Collector],
        *,
        disabled: Collection[str] = (),
        cleaning: Cleaning | None = None,
        limit_bytes: int = 1024 * 1024,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._sources: Sequence[Source] = [source_of(collector, deadline_seconds) for collector in collectors]
        self._disabled = frozenset(disabled)
        self._cleaning = cleaning or Cleaning()
        self._limit_bytes = limit_bytes
        self._crowds: dict[Selection, Crowd] = {}
        self._collector_of = {key.name: collector for collector in collectors for key in collector.keys}

    def collector_of(self, key: str) -> Collector | None:
        """Who tells `key`, here or elsewhere; None for a key that nobody knows."""
        return self._collector_of.get(key)

    def keys(self, answer: Answer) -> Mapping[str, tuple[Collector, Key]]:
        """The keys that can be asked for here, given an answer that all collectors had a part in."""
        idle = {Status.NOT_APPLICABLE.value, Status.DISABLED.value}
        return {
            key.name: (source.collector, key)
            for source in self._sources
            if answer.state(source.collector.name)["status"] not in idle
            for key in source.collector.keys
        }

    async def read(self, selection: Selection = EVERYTHING) -> Answer:
        """What holds now, of the keys of `selection`; no collector delays that for longer than its deadline."""
        return await self._crowd(selection).read()

    def shared(self) -> Answer | None:
        """As `read` of everything where that is at hand, as many read at once; None where it is not."""
        return self._crowd(EVERYTHING).shared()

    async def stop(self) -> None:
        """End what the collectors have under way, and close them."""
        await asyncio.gather(*(source.stop() for source in self._sources))

    def _crowd(self, selection: Selection) -> Crowd:
        crowd = self._crowds.get(selection)
        if crowd is None:
            if len(self._crowds) >= _CROWDS:
                self._crowds = {key: crowd for key, crowd in self._crowds.items() if not crowd.is_idle()}
            crowd = self._crowds[selection] = Crowd(lambda: self._read(selection), _GIVEN_UP_AFTER_SECONDS)
        return crowd

    async def _read(self, selection: Selection) -> Answer:
        concerned = [source for source in self._sources if selection.concerns(source.collector)]
        taken = await asyncio.gather(*(self._taken(source) for source in concerned))
        builder = AnswerBuilder(selection, self._cleaning, self._limit_bytes)
        for source, told in zip(concerned, taken, strict=True):
            _count(source.collector, _added(builder, source.collector, told))
        return builder.build()

    async def _taken(self, source: Source) -> Taken:
        if source.collector.name in self._disabled:
            return Taken(Status.DISABLED)
        try:
            return await source.read()
        # What a collector gave may break where it is compared or looked at; the others are to be told.
        except Exception as fault:  # noqa: BLE001
            return _broken(source.collector, fault)


def _added(builder: AnswerBuilder, collector: Collector, taken: Taken) -> Taken:
    try:
        builder.add(collector, taken)
    # As above: values may be of any class.
    except Exception as fault:  # noqa: BLE001
        taken = _broken(collector, fault)
        builder.add(collector, taken)
    return taken


def _broken(collector: Collector, fault: Exception) -> Taken:
    return Taken(Status.FAILED, error=logged(collector, fault))


def _count(collector: Collector, taken: Taken) -> None:
    _answers.labels(collector.name, taken.status).inc()
    if taken.status in {Status.OK, Status.STALE, Status.FAILED}:
        _seconds.labels(collector.name).observe(taken.duration_seconds)
