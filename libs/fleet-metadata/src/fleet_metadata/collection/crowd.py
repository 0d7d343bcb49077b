from collections.abc import Awaitable, Callable
from time import monotonic

from fleet_metadata.collection.answer import Answer
from fleet_metadata.freshness.shared_run import SharedRun

CROWD = 10
"""From how many readers of one answer on it is a crowd that reads."""
SHARED_SECONDS = 0.25


class Crowd:
    """The readers of one selection: a new answer for who asks alone, and one for many who ask at once.

    Who asks while an answer is collected gets that one. When that were ten or more, it is for those who follow
    within `SHARED_SECONDS` as well: a crowd of any size costs a few collections a second. After that, whoever
    comes waits for a new one, and is a crowd again only with others.
    """

    def __init__(
        self,
        collect: Callable[[], Awaitable[Answer]],
        seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._collect = collect
        self._clock = clock
        self._run = SharedRun(self._renew, seconds)
        self._latest: Answer | None = None
        self._collected_at = 0.0
        self._readers = 0

    def shared(self) -> Answer | None:
        """The latest answer, for one more of a crowd; None for who has to wait for a new one."""
        if self._latest is None:
            return None
        return self._latest if self._clock() - self._collected_at <= SHARED_SECONDS else None

    async def read(self) -> Answer:
        """What holds now, or for one of a crowd did so just now. Raises TimeoutError."""
        if answer := self.shared():
            return answer
        self._readers += 1
        return await self._run.result()

    def is_idle(self) -> bool:
        """Whether nobody waits, and nothing is kept for those who follow."""
        return not self._run.is_under_way() and self._clock() - self._collected_at > SHARED_SECONDS

    async def _renew(self) -> Answer:
        self._latest = None
        try:
            answer = await self._collect()
            if self._readers >= CROWD:
                self._latest = answer
        finally:
            # Those who waited for one that failed are no part of the next crowd.
            self._readers, self._collected_at = 0, self._clock()
        return answer
