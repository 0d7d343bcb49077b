import asyncio
from importlib.resources import files

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from api_access.rate_limits import Decision, RateLimit

_SCRIPT = (files("api_access") / "token_bucket.lua").read_text()
_TIMEOUT_SECONDS = 0.25

_Asked = tuple[str, RateLimit]


class _Batch:
    """What shares one round trip: the tokens wanted of each bucket, and the granted and the debt before."""

    def __init__(self) -> None:
        self.wanted: dict[_Asked, int] = {}
        self.answers: dict[_Asked, tuple[int, float]] = {}
        self.round_trip: asyncio.Task[None]


class RedisBuckets:
    """Token buckets that all replicas share, in Redis or Valkey, on the server's clock.

    One round trip is under way at a time; what is asked meanwhile goes together in the next, so that the cost
    of a request falls as load rises. Every method raises `redis.RedisError` when the server does not answer
    within a quarter of a second.
    """

    def __init__(self, redis: Redis, namespace: str = "api-access") -> None:
        # One hash tag, so that a batch is one slot of a cluster.
        self._prefix = f"{{{namespace}}}:"
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._one_round_trip = asyncio.Lock()
        self._gathering: _Batch | None = None

    @classmethod
    def connect(cls, url: str, namespace: str = "api-access") -> "RedisBuckets":
        """Buckets on the server at `url`, connected to when first needed; a `namespace` is shared."""
        # A connection that died idle is replaced at once; a timeout is not tried again, as it took its time.
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=retry
        )
        return cls(redis, namespace)

    async def take(self, bucket: str, limit: RateLimit) -> Decision:
        """Take one token out of `bucket`, or be refused."""
        return await self._ask((bucket, limit), 1)

    async def peek(self, bucket: str, limit: RateLimit) -> Decision:
        """How `bucket` stands, taking nothing: `allowed` says whether a token is there."""
        decision = await self._ask((bucket, limit), 0)
        return decision._replace(allowed=decision.remaining > 0)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, asked: _Asked, count: int) -> Decision:
        batch = self._gathering or self._begin()
        place = batch.wanted.get(asked, 0) + count
        batch.wanted[asked] = place
        # Shielded, as the others of the batch still want its answer when this caller is cancelled.
        await asyncio.shield(batch.round_trip)
        granted, debt = batch.answers[asked]
        return Decision.of(asked[1], debt + min(place, granted), allowed=place <= granted)

    def _begin(self) -> _Batch:
        batch = self._gathering = _Batch()
        batch.round_trip = asyncio.create_task(self._send(batch))
        return batch

    async def _send(self, batch: _Batch) -> None:
        async with self._one_round_trip:
            self._gathering = None
            keys = [self._prefix + bucket for bucket, _ in batch.wanted]
            args = [
                number
                for (_, limit), count in batch.wanted.items()
                for number in (limit.count, limit.period_seconds, count)
            ]
            answer = await self._script(keys=keys, args=args)
        pairs = zip(answer[::2], map(float, answer[1::2]), strict=True)
        batch.answers = dict(zip(batch.wanted, pairs, strict=True))
