import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from time import time

import structlog

from api_access.api_key import ApiKey, Principal
from api_access.errors import StoreUnavailable
from api_access.key_store import KeyStore
from api_access.key_use import KeyUse
from api_access.keys import MalformedKey, parse, secret_matches
from api_access.rate_limits import RateLimit, TokenBuckets
from api_access.refusals import InvalidKey, KeysUnavailable, TooManyFailures

_log = structlog.get_logger()
_REMEMBER_SECONDS = 60
_FAILURES = RateLimit(20, 60)
# More would slow one another down, and an address that guesses gets this many guesses past its limit.
_HASHES_AT_ONCE = 4
# Of no secret in use. An unknown key id is compared with it, to take as long as a wrong secret.
_DUMMY_HASH = "$2b$10$XPO0AMDjE4soDjQsiW85Wu3z1F13kjTp5L.aK6LCdVsu.0mWip/j2"


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    secret_hash: str = field(repr=False)
    until: float


class Authenticator:
    """Tells from a token who is asking.

    A verified key is remembered for a minute, and never beyond its end: a key revoked elsewhere stops working
    within that minute. `clock` gives the time of day in seconds since 1970,
    and `remembered_keys` bounds the memory. Call `stop` at the end.
    """

    def __init__(
        self,
        store: KeyStore,
        failure_buckets: TokenBuckets,
        clock: Callable[[], float] = time,
        *,
        remembered_keys: int = 10_000,
    ) -> None:
        self._store = store
        self._failures = failure_buckets
        self._clock = clock
        self._capacity = remembered_keys
        self._use = KeyUse(store)
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._verified: dict[bytes, _Verified] = {}
        self._verifying: dict[bytes, asyncio.Task[Principal]] = {}

    def remembered(self, token: str) -> Principal | None:
        """Who `token` was found to belong to within the last minute, in about a microsecond."""
        verified = self._verified.get(_digest(token))
        return verified.principal if verified and self._clock() < verified.until else None

    async def authenticate(self, token: str, address: str) -> Principal:
        """Who `token`, sent from the network address `address`, belongs to.

        Raises `InvalidKey` (401), `TooManyFailures` (429) after 20 wrong keys a minute from one address, and
        `KeysUnavailable` (503) where the database is away. All three are problems, ready to be sent.
        """
        if principal := self.remembered(token):
            return principal
        try:
            return await self._verify_once(token, address)
        except (MalformedKey, InvalidKey):
            decision = await self._failures.take(f"failures:{address}", _FAILURES)
            if not decision.allowed:
                raise TooManyFailures(decision) from None
            raise InvalidKey from None

    async def stop(self) -> None:
        """Write down which keys were used last, and end, within two seconds."""
        await self._use.stop()

    async def _verify_once(self, token: str, address: str) -> Principal:
        digest = _digest(token)
        task = self._verifying.get(digest)
        if task is None:
            key_id, secret = parse(token)
            task = asyncio.create_task(self._verify(digest, key_id, secret, address))
            self._verifying[digest] = task
            task.add_done_callback(lambda _: self._verifying.pop(digest, None))
        # Shielded, as others wait for the same answer when this caller is cancelled.
        return await asyncio.shield(task)

    async def _verify(self, digest: bytes, key_id: str, secret: str, address: str) -> Principal:
        now = self._clock()
        record = await self._matching(digest, key_id, secret, address)
        ends_at = record.ends_at.timestamp() if record and record.ends_at else float("inf")
        # Taken out in any case: put in again, the dict has those verified longest ago in front.
        self._verified.pop(digest, None)
        if record is None or ends_at <= now:
            raise InvalidKey
        while len(self._verified) >= self._capacity:
            del self._verified[next(iter(self._verified))]
        until = min(now + _REMEMBER_SECONDS, ends_at)
        principal = record.principal
        self._verified[digest] = _Verified(principal, record.secret_hash, until)
        self._use.note(key_id)
        return principal

    async def _matching(self, digest: bytes, key_id: str, secret: str, address: str) -> ApiKey | None:
        if verified := self._verified.get(digest):
            # This very token has matched that very hash before, so it is enough to see the hash still there.
            record = await self._find(key_id)
            return record if record and record.secret_hash == verified.secret_hash else None
        await self._refuse_guessing(address)
        record = await self._find(key_id)
        async with self._hashing:
            # Again, as many guesses may have been made while this one was waiting for its turn.
            await self._refuse_guessing(address)
            secret_hash = record.secret_hash if record else _DUMMY_HASH
            return record if await asyncio.to_thread(secret_matches, secret, secret_hash) else None

    async def _refuse_guessing(self, address: str) -> None:
        decision = await self._failures.peek(f"failures:{address}", _FAILURES)
        if not decision.allowed:
            raise TooManyFailures(decision)

    async def _find(self, key_id: str) -> ApiKey | None:
        try:
            return await self._store.find(key_id)
        except StoreUnavailable as error:
            _log.warning("api_keys_unavailable", error=str(error))
            raise KeysUnavailable from error


def _digest(token: str) -> bytes:
    # Lone surrogates must not fail here, nor be dropped, which would make one token of two.
    return sha256(token.encode(errors="surrogatepass")).digest()
