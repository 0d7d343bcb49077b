import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from toolhive_client.errors import ToolhiveTimeout, ToolhiveUnavailable

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

LARGEST_ANSWER = 16 * 1024 * 1024
TRIES = 3

LONGEST_WAIT = 5.0
"""Seconds; who asks for more patience than that (Retry-After) is not asked again."""

HEADERS = {"Accept": "application/json, text/plain", "Accept-Encoding": "identity"}
"""Not compressed: a few bytes could become any number of them."""

# Seconds, twice as many after the second try.
_PAUSE = wait_exponential_jitter(multiplier=0.1, jitter=0.2)
_READ_AT_ONCE = 65_536
_SERVER_ERROR, _NOT_IMPLEMENTED = 500, 501


class ConnectionLost(ToolhiveUnavailable):
    """The connection broke off; another try may help."""


class NotConnected(ConnectionLost):
    """There was no connection to begin with."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = field(repr=False)
    headers: httpx.Headers = field(repr=False)


class Transport:
    """GETs within bounds of time and size. `peer` and `advice` are for the texts of errors.

    The peer has `timeout_seconds` for each whole answer, of at most `largest_answer` bytes.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        peer: str,
        advice: str,
        timeout_seconds: float,
        largest_answer: int = LARGEST_ANSWER,
    ) -> None:
        self._http = http
        self._peer = peer
        self._advice = advice
        self._seconds = timeout_seconds
        self._largest = largest_answer

    async def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer of any status. Raises ToolhiveTimeout, ConnectionLost, and else ToolhiveUnavailable."""
        try:
            # httpx counts from the last byte, which a server that dribbles never lets come to an end.
            async with asyncio.timeout(self._seconds):
                return await self._answer(url, params, headers)
        except (TimeoutError, httpx.TimeoutException):
            raise ToolhiveTimeout(
                f"{self._peer} gave no whole answer within {self._seconds:g} s; look at its load and its log."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise self._failure(error) from None
        except AttributeError as error:
            # anyio asks a socket of uvloop for its peer (`getpeername`), which is None if that reset it by then.
            raise self._failure(error) from None

    async def _answer(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> Answer:
        async with self._http.stream(
            "GET", url, params=params, headers=headers, timeout=None, follow_redirects=False
        ) as response:
            if response.is_redirect:
                raise ToolhiveUnavailable(
                    f"{self._peer} redirects elsewhere, which is not followed; {self._advice}."
                )
            return Answer(response.status_code, await self._body(response), response.headers)

    async def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ToolhiveUnavailable(
                f"{self._peer} answers compressed, which was not asked for; {self._advice}."
            )
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self._largest:
                raise ToolhiveUnavailable(
                    f"{self._peer} answers with more than {self._largest:,} bytes; {self._advice}."
                )
        return bytes(body)

    def _failure(self, error: Exception) -> ToolhiveUnavailable:
        # Only the kind of error, as its text may repeat what was sent.
        what = f"({type(error).__name__}); {self._advice}."
        match error:
            case httpx.ConnectError() | AttributeError():
                return NotConnected(f"{self._peer} cannot be reached {what}")
            case httpx.TransportError():
                return ConnectionLost(f"{self._peer} broke off {what}")
            case _:
                return ToolhiveUnavailable(f"{self._peer} cannot be asked {what}")


def is_server_error(answer: Answer) -> bool:
    """Whether it may go otherwise the next time; what is not implemented will not be."""
    return answer.status >= _SERVER_ERROR and answer.status != _NOT_IMPLEMENTED


async def repeated(
    attempt: Callable[[], Awaitable[Answer]],
    may_pass: Callable[[Answer], bool] = is_server_error,
    sleep: Sleep = asyncio.sleep,
) -> Answer:
    """What `attempt` gets, of three tries at the most: again after a timeout, a lost connection, and what may pass.

    Retry-After is kept to, up to `LONGEST_WAIT`. Raises what the last try raises.
    """

    def is_worth_it(answer: Answer) -> bool:
        return may_pass(answer) and retry_after(answer) <= LONGEST_WAIT

    async def one_try() -> Answer:
        return await attempt()

    tries = AsyncRetrying(
        sleep=sleep,
        stop=stop_after_attempt(TRIES),
        wait=_wait,
        retry=retry_if_exception_type((ToolhiveTimeout, ConnectionLost)) | retry_if_result(is_worth_it),
        retry_error_callback=_outcome,
    )
    return await tries(one_try)


def _outcome(state: RetryCallState) -> Answer:
    """Raises what the try raised."""
    if state.outcome is None:
        raise RuntimeError("asked for before there was any try")
    return state.outcome.result()


def _wait(state: RetryCallState) -> float:
    failed = state.outcome is None or state.outcome.failed
    return max(_PAUSE(state), 0.0 if failed else retry_after(_outcome(state)))


def retry_after(answer: Answer) -> float:
    """The seconds that the peer asks to wait; 0 where it does not, or names a time of day."""
    told = answer.headers.get("retry-after", "")
    return float(told) if re.fullmatch(r"\d{1,9}", told, re.ASCII) else 0.0


async def read_from(body: bytes, read: Callable[[bytes], T]) -> T:
    """`read(body)`, in a thread where reading it would keep everybody else waiting."""
    return read(body) if len(body) <= _READ_AT_ONCE else await asyncio.to_thread(read, body)
