import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

from toolhive_client.errors import ToolhiveUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two searches; each one that finds nothing doubles them."""


class Address(Protocol):
    """Where the peer is."""

    async def url(self) -> str:
        """Without a slash at the end. Raises ToolhiveUnavailable."""
        ...

    def forget(self, why: ToolhiveUnavailable, url: str | None = None) -> None:
        """It is not at `url` any more, or not where it was last."""
        ...


class GivenAddress:
    """Where it is said to be, whether it is there or not."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def url(self) -> str:
        return self._url

    def forget(self, why: ToolhiveUnavailable, url: str | None = None) -> None:
        """It is asked there again."""


class FoundAddress:
    """Where `find` found it, until that is forgotten. Searches are not made more often than the pause allows."""

    def __init__(self, find: Callable[[], Awaitable[str]], clock: Callable[[], float] = monotonic) -> None:
        self._find = find
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: str | None = None
        self._why = ToolhiveUnavailable("")
        self._pause = FIRST_PAUSE
        self._not_before = float("-inf")

    async def url(self) -> str:
        """As the port says; during a pause raises at once what was raised before it."""
        async with self._lock:
            if self._known is None:
                self._known = await self._found()
            return self._known

    def forget(self, why: ToolhiveUnavailable, url: str | None = None) -> None:
        # Whoever asked at an old address does not spoil the new one.
        if url in {None, self._known}:
            # Not a lost connection, which would be tried again at once.
            self._known, self._why = None, ToolhiveUnavailable(str(why))

    async def _found(self) -> str:
        if self._clock() < self._not_before:
            raise type(self._why)(str(self._why))
        try:
            url = await self._find()
        except ToolhiveUnavailable as error:
            self._why = error
            self._not_before = self._clock() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            raise
        self._pause = FIRST_PAUSE
        self._not_before = self._clock() + self._pause
        return url
