from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from fleet_metadata.collectors.workspace.cgroup import CpuUse
from fleet_metadata.collectors.workspace.percent import percent

_FAR_ENOUGH_SECONDS = 1.0
_TOO_NEAR_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    uses: Mapping[Hashable, CpuUse]


class CpuMeter:
    """Tells how busy the CPU was of late; `uses` gives who uses it, under the same names each time."""

    def __init__(self, uses: Callable[[], Mapping[Hashable, CpuUse]], clock: Callable[[], float]) -> None:
        self._uses = uses
        self._clock = clock
        self._past = deque([self._sample()])

    def percent(self) -> int | None:
        """The mean since the last look that was at least a second ago, or else since the first one.

        Of several users, the one nearest to its limit counts. None for too short a time to tell.
        """
        now = self._sample()
        self._past.append(now)
        while now.at - self._past[1].at >= _FAR_ENOUGH_SECONDS:
            self._past.popleft()
        then = self._past[0]
        seconds = now.at - then.at
        if seconds < _TOO_NEAR_SECONDS:
            return None
        shares = [
            percent(use.seconds - then.uses[user].seconds, seconds * use.cores)
            for user, use in now.uses.items()
            if user in then.uses
        ]
        return max((share for share in shares if share is not None), default=None)

    def _sample(self) -> _Sample:
        return _Sample(self._clock(), self._uses())
