import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from time import monotonic
from typing import TypeVar

from prometheus_client import Counter
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from api_access import Outage

LARGEST_SHARED_BYTES = 4 * 1024 * 1024
"""Of an answer that goes to Redis; moving a larger one costs more than it saves, and takes others' room."""

TIMEOUT_SECONDS = 0.25
_CONNECTIONS = 8
_WRITES_AT_ONCE = 8
_DIGEST_BYTES = 16

_T = TypeVar("_T")

_errors = Counter(
    "response_cache_errors", "What went wrong with the answers in Redis: read, write, rubbish", ["kind"]
)


class SharedAnswers:
    """Finished answers in Redis or Valkey, for all replicas, each for `ttl_seconds`.

    The server may be away, slow, full, flushed or hold something else: then there is no answer, and nothing
    is raised. It gets `timeout_seconds` to reply, and after a failure it is asked once a second. Names in the server are
    `namespace:answer:key`.
    """

    def __init__(
        self,
        redis: Redis,
        ttl_seconds: int,
        namespace: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._ttl_seconds = ttl_seconds
        self._prefix = f"{namespace}:answer:"
        # Apart, as a server that is full or read-only can still be read.
        self._reading = Outage("shared_answers_are_not_read", "shared_answers_are_read_again", clock)
        self._writing = Outage("shared_answers_are_not_kept", "shared_answers_are_kept_again", clock)
        self._writes: set[asyncio.Task[None]] = set()
        self._connections = asyncio.Semaphore(_CONNECTIONS)

    @classmethod
    def connect(
        cls, url: str, ttl_seconds: int, namespace: str, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> "SharedAnswers":
        """Answers on the server at `url`, connected to when first needed."""
        pool = ConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # A connection that died idle is replaced at once.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        return cls(Redis.from_pool(pool), ttl_seconds, namespace, timeout_seconds)

    async def find(self, key: str) -> bytes | None:
        """The answer that was kept under `key`, to the byte."""
        name = self._prefix + key
        # Of one key, as that says "nothing" and not "an error" of a value that is no string.
        values = await self._ask("read", self._reading, lambda: self._redis.mget([name]))
        if not values or values[0] is None:
            return None
        answer = _unsealed(name, values[0])
        if answer is None:
            _errors.labels("rubbish").inc()
        return answer

    def keep(self, key: str, answer: bytes) -> None:
        """Keep `answer` under `key`, soon. What is too large, or more than there is time for, is left out."""
        if len(answer) <= LARGEST_SHARED_BYTES and len(self._writes) < _WRITES_AT_ONCE:
            write = asyncio.create_task(self._write(self._prefix + key, answer))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Wait for what is being kept, which takes a moment at most, and close the connections."""
        await asyncio.gather(*self._writes)
        await self._redis.aclose()

    async def _write(self, name: str, answer: bytes) -> None:
        value = _seal(name, answer) + answer
        await self._ask("write", self._writing, lambda: self._redis.set(name, value, ex=self._ttl_seconds))

    async def _ask(self, kind: str, outage: Outage, question: Callable[[], Awaitable[_T]]) -> _T | None:
        if not outage.may_ask():
            return None
        try:
            # Not left to the pool to wait, which waits again where its time is up at the same moment as ours.
            async with asyncio.timeout(self._timeout_seconds), self._connections:
                reply = await question()
        except (RedisError, OSError) as error:
            _errors.labels(kind).inc()
            outage.note_failure(error)
            return None
        outage.note_success()
        return reply


def _seal(name: str, answer: bytes) -> bytes:
    """What stands before an answer and fits no other name and no other bytes."""
    return blake2b(answer, digest_size=_DIGEST_BYTES, key=blake2b(name.encode()).digest()).digest()


def _unsealed(name: str, value: object) -> bytes | None:
    if not isinstance(value, bytes):
        return None
    answer = value[_DIGEST_BYTES:]
    return answer if value[:_DIGEST_BYTES] == _seal(name, answer) else None
