# ruff: noqa: ASYNC109  # PostgreSQL has to keep the timeout too, so callers give it
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from coldquery.errors import Refused, TimedOut
from coldquery.limits import Limits

GRACE_SECONDS = 2.0
"""So much later than PostgreSQL should have, the call is ended from this side."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a statement of a call may take, and a little later the whole call."""

    ms: int

    @classmethod
    def asked(cls, timeout_ms: int | None, limits: Limits) -> Self:
        """What was asked for, capped by the server's own limit. Raises Refused if it is below 1."""
        if timeout_ms is not None and timeout_ms < 1:
            raise Refused(
                f"timeout_ms is {timeout_ms}, and must be 1 or more.", hint="Leave it out for the limit."
            )
        return cls(min(timeout_ms or limits.timeout_ms, limits.timeout_ms))

    @property
    def seconds(self) -> float:
        return self.ms / 1000

    @property
    def sql(self) -> str:
        """What makes PostgreSQL keep it for the rest of the transaction."""
        return f"SET LOCAL statement_timeout = {self.ms}"


def is_cut_short(error: BaseException) -> bool:
    """Whether `error` came from this side, so that what PostgreSQL was doing may be done or not."""
    if isinstance(error, TimedOut):
        return isinstance(error.__cause__, TimeoutError)
    return not isinstance(error, Exception)


@asynccontextmanager
async def limited(timeout: Timeout) -> AsyncGenerator[None]:
    """Cancel what is within when PostgreSQL did not do so itself. Raises TimedOut."""
    deadline = asyncio.timeout(timeout.seconds + GRACE_SECONDS)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise TimedOut(
            f"It took longer than the {timeout.ms} ms that it may, and was cancelled.",
            hint="Ask for less at once (a narrower WHERE, a LIMIT), or give a larger timeout_ms.",
        ) from error
