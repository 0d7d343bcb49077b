import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from fleet_metadata.collectors.forges.api_server import ApiServer
from fleet_metadata.collectors.forges.exchange import Exchange, Received
from fleet_metadata.collectors.forges.rate_limit import RateLimit, is_rate_limited
from fleet_metadata.collectors.forges.remembered_answers import Remembered, RememberedAnswers

T = TypeVar("T")
Params = Mapping[str, str | int]

LARGEST_ANSWER = 5_000_000
TIMEOUT_SECONDS = 10.0
_TRIES = 3
_WAITED_SECONDS = 5.0
_READ_AT_ONCE = 65_536
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered to `path`; `next` is the URL of the next page."""

    server: ApiServer
    path: str
    body: bytes = field(repr=False)
    next: str | None = None

    async def read(self, shape: TypeAdapter[T]) -> T:
        """The answer in that shape. Raises CollectionFailed where it has another one."""
        try:
            if len(self.body) <= _READ_AT_ONCE:
                return shape.validate_json(self.body)
            # Reading a large one would keep everybody else waiting.
            return await asyncio.to_thread(shape.validate_json, self.body)
        except ValidationError:
            # It repeats what was answered.
            raise self.server.strange(self.path) from None


class RestApi:
    """Asks one server, as much as it lets us. `clock` gives seconds since 1970, `sleep` waits for some.

    An answer that has not changed since it was last asked for is not sent again (ETag).
    """

    def __init__(
        self,
        server: ApiServer,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        timeout_seconds: float = TIMEOUT_SECONDS,
        largest_answer: int = LARGEST_ANSWER,
        remembered: RememberedAnswers | None = None,
    ) -> None:
        self.server = server
        self._sleep = sleep
        self._limit = RateLimit(clock)
        self._exchange = Exchange(server, timeout_seconds, largest_answer)
        self._remembered = remembered or RememberedAnswers()

    async def get(self, path: str, params: Params | None = None) -> Answer:
        """The answer to a GET. Raises CollectionFailed, and Refused where others might be answered.

        Where the server asks to wait, a short wait is waited and the question repeated, twice at the most.
        During a long one it is not asked at all, and every call raises, with the time of its end.
        """
        try:
            url = httpx.URL(self.server.url + path, params=params or None)
        except httpx.InvalidURL:
            raise self.server.not_a_url() from None
        return await self._ask(url, path)

    async def pages(self, path: str, params: Params | None = None, most: int = 10) -> list[Answer]:
        """As `get`, with the pages that follow, up to `most` in all."""
        pages = [await self.get(path, params)]
        while len(pages) < most and (following := pages[-1].next):
            pages.append(await self._ask(httpx.URL(following), path))
        return pages

    async def close(self) -> None:
        await self._exchange.close()

    async def _ask(self, url: httpx.URL, path: str) -> Answer:
        self._limit.check()
        known = self._remembered.get(str(url))
        condition = {"If-None-Match": known.etag} if known else {}
        received = await self._served(url, path, condition)
        if received.status == _NOT_MODIFIED and known:
            return Answer(self.server, path, known.body, known.next)
        if not httpx.codes.is_success(received.status):
            raise self.server.refusal(received.status, path)
        following = str(received.next) if received.next else None
        if (etag := received.headers.get("etag")) and not received.from_elsewhere:
            self._remembered.put(str(url), Remembered(etag, received.body, following))
        return Answer(self.server, path, received.body, following)

    async def _served(self, url: httpx.URL, path: str, condition: Mapping[str, str]) -> Received:
        """What the server says when it does not ask to wait."""
        seconds = 0.0
        for tries in range(1, _TRIES + 1):
            received = await self._exchange.send(url, path, condition)
            if not is_rate_limited(received.status, received.headers, received.body):
                self._limit.answered()
                return received
            seconds = self._limit.wait_after(received.headers)
            if seconds > _WAITED_SECONDS or tries == _TRIES:
                break
            await self._sleep(seconds)
        raise self._limit.close_for(seconds)
