import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog.testing import capture_logs

from api_access.api_key import ApiKey, Principal
from api_access.authenticator import Authenticator
from api_access.key_store import KeyStore
from api_access.keys import _checksum, new_token, parse
from api_access.memory_buckets import MemoryBuckets
from api_access.rate_limits import RateLimit
from api_access.refusals import InvalidKey, KeysUnavailable, Refusal, TooManyFailures

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class CountingStore(KeyStore):
    """The real store, which also counts how often it was asked."""

    finds = 0

    async def find(self, key_id: str) -> ApiKey | None:
        self.finds += 1
        return await super().find(key_id)


@pytest.fixture
def store(engine: AsyncEngine) -> CountingStore:
    return CountingStore(engine)


@pytest.fixture
def clock() -> Mock:
    return Mock(return_value=time.time())


@pytest.fixture
async def authenticator(store: CountingStore, clock: Mock) -> AsyncGenerator[Authenticator]:
    authenticator = Authenticator(store, MemoryBuckets(clock=clock), clock)
    yield authenticator
    await authenticator.stop()


async def outcome(authenticator: Authenticator, token: str, address: str = HERE) -> str:
    try:
        return (await authenticator.authenticate(token, address)).name
    except Refusal as refusal:
        return refusal.reason


async def guess(authenticator: Authenticator, times: int) -> None:
    for _ in range(times):
        assert await outcome(authenticator, "not a key") == "invalid"


async def test_a_good_token_says_who_is_asking(store: CountingStore, authenticator: Authenticator) -> None:
    limits = {"query": RateLimit(600, 60)}
    token, key = await store.create("plugin", ["write"], limits)
    principal = await authenticator.authenticate(token, HERE)
    assert principal == Principal(key.key_id, "plugin", frozenset({"write"}), limits)
    assert authenticator.remembered(token) is principal


async def test_two_hundred_first_uses_of_a_key_are_verified_once(
    store: CountingStore, authenticator: Authenticator
) -> None:
    token, _ = await store.create("fleet")
    names = await asyncio.gather(*[outcome(authenticator, token, f"10.0.0.{n}") for n in range(200)])
    assert set(names) == {"fleet"}
    assert store.finds == 1


async def test_a_client_that_leaves_does_not_fail_the_others(
    store: CountingStore, authenticator: Authenticator
) -> None:
    token, _ = await store.create("fleet")
    clients = [asyncio.create_task(outcome(authenticator, token)) for _ in range(3)]
    await asyncio.sleep(0)
    clients[0].cancel()
    assert await asyncio.gather(*clients[1:]) == ["fleet", "fleet"]


async def test_a_revoked_key_is_refused_within_a_minute(
    store: CountingStore, authenticator: Authenticator, clock: Mock
) -> None:
    token, key = await store.create("fleet")
    assert await outcome(authenticator, token) == "fleet"
    await store.revoke(key.key_id)
    clock.return_value += 59.9
    assert await outcome(authenticator, token) == "fleet"
    clock.return_value += 0.1
    assert await outcome(authenticator, token) == "invalid"


async def test_after_a_minute_a_good_key_costs_a_look_up_and_no_hash(
    store: CountingStore, authenticator: Authenticator, clock: Mock
) -> None:
    token, _ = await store.create("fleet")
    for _ in range(5):
        assert await outcome(authenticator, token) == "fleet"
        clock.return_value += 60
    assert store.finds == 5
    await guess(authenticator, 20)
    # Guesses from the same address are not held against it, as its secret need not be compared again.
    assert await outcome(authenticator, token) == "fleet"


async def test_a_key_whose_hash_was_replaced_is_compared_afresh(
    store: CountingStore, authenticator: Authenticator, clock: Mock, engine: AsyncEngine
) -> None:
    token, _ = await store.create("fleet")
    _, other = await store.create("other")
    assert await outcome(authenticator, token) == "fleet"
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE access.api_keys SET secret_hash = :hash"), {"hash": other.secret_hash}
        )
    clock.return_value += 60
    assert await outcome(authenticator, token) == "invalid"


async def test_a_key_is_not_remembered_beyond_its_expiry(
    store: CountingStore, authenticator: Authenticator, clock: Mock
) -> None:
    expiry = datetime.fromtimestamp(clock.return_value, UTC) + timedelta(seconds=30)
    token, _ = await store.create("brief", expires_at=expiry)
    assert await outcome(authenticator, token) == "brief"
    clock.return_value += 29
    assert await outcome(authenticator, token) == "brief"
    clock.return_value += 2
    assert await outcome(authenticator, token) == "invalid"


async def test_a_rotated_key_works_until_its_grace_is_over(
    store: CountingStore, authenticator: Authenticator, clock: Mock
) -> None:
    old, key = await store.create("fleet")
    new, _ = await store.rotate(key.key_id, timedelta(seconds=90))
    clock.return_value += 80
    assert [await outcome(authenticator, token) for token in (old, new)] == ["fleet", "fleet"]
    clock.return_value += 70
    assert [await outcome(authenticator, token) for token in (old, new)] == ["invalid", "fleet"]


WRONG_TOKENS = {
    "none": "",
    "long": "x" * 101,
    "control": "fleet_\0",
    "accent": "fleet_é",
    "surrogate": "\ud800",
    "unknown": new_token()[1],
}


@pytest.mark.parametrize("token", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
async def test_a_wrong_token_is_invalid(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(InvalidKey):
        await authenticator.authenticate(token, HERE)


async def test_the_secret_of_one_key_does_not_open_another(
    store: CountingStore, authenticator: Authenticator
) -> None:
    _, victim = await store.create("victim")
    stem = f"fleet_{victim.key_id}_" + "0" * 32
    forged = stem + _checksum(stem)
    assert parse(forged)[0] == victim.key_id
    assert await outcome(authenticator, forged) == "invalid"
    assert store.finds == 1


async def test_an_address_may_be_wrong_twenty_times_a_minute(
    store: CountingStore, authenticator: Authenticator, clock: Mock
) -> None:
    known, _ = await store.create("known")
    unseen, _ = await store.create("unseen")
    assert await outcome(authenticator, known) == "known"
    await guess(authenticator, 20)
    with pytest.raises(TooManyFailures) as caught:
        await authenticator.authenticate("not a key", HERE)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "3")
    # A key that is remembered passes, one that would cost a hash does not, and other addresses are at peace.
    assert await outcome(authenticator, known) == "known"
    finds = store.finds
    assert await outcome(authenticator, unseen) == "failures_limited"
    assert store.finds == finds
    assert await outcome(authenticator, unseen, ELSEWHERE) == "unseen"
    clock.return_value += 3
    assert await outcome(authenticator, "not a key") == "invalid"


async def test_of_a_burst_of_guesses_only_twenty_are_answered(authenticator: Authenticator) -> None:
    outcomes = await asyncio.gather(*[outcome(authenticator, new_token()[1]) for _ in range(100)])
    assert (outcomes.count("invalid"), outcomes.count("failures_limited")) == (20, 80)


async def test_many_good_keys_behind_one_address_are_no_guesses(
    store: CountingStore, authenticator: Authenticator
) -> None:
    tokens = [(await store.create("pod"))[0] for _ in range(25)]
    assert await asyncio.gather(*[outcome(authenticator, token) for token in tokens]) == ["pod"] * 25


async def test_an_unknown_key_takes_as_long_as_a_wrong_secret(authenticator: Authenticator) -> None:
    started = time.thread_time(), time.process_time()
    assert await outcome(authenticator, new_token()[1]) == "invalid"
    # What the hash costs is spent in a thread, so it shows in the process's time alone.
    hashing = (time.process_time() - started[1]) - (time.thread_time() - started[0])
    assert hashing > 0.01


async def test_without_its_database_nobody_is_let_in(clock: Mock) -> None:
    away = create_async_engine("postgresql+asyncpg://nobody:canary@127.0.0.1:1/none")
    authenticator = Authenticator(KeyStore(away), MemoryBuckets(), clock)
    with capture_logs() as logs, pytest.raises(KeysUnavailable) as caught:
        await authenticator.authenticate(new_token()[1], HERE)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "2")
    assert "canary" not in str(logs)


async def test_a_remembered_key_outlives_its_database_by_a_minute_at_most(
    store: CountingStore, authenticator: Authenticator, clock: Mock, engine: AsyncEngine
) -> None:
    token, _ = await store.create("fleet")
    assert await outcome(authenticator, token) == "fleet"
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE access.api_keys RENAME TO away"))
    clock.return_value += 59
    assert await outcome(authenticator, token) == "fleet"
    clock.return_value += 1
    assert await outcome(authenticator, token) == "unavailable"
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE access.away RENAME TO api_keys"))
    assert await outcome(authenticator, token) == "fleet"


async def test_the_number_of_remembered_keys_is_bounded(store: CountingStore, clock: Mock) -> None:
    authenticator = Authenticator(store, MemoryBuckets(), clock, remembered_keys=2)
    tokens = [(await store.create("pod"))[0] for _ in range(3)]
    for token in tokens:
        await authenticator.authenticate(token, HERE)
    assert [authenticator.remembered(token) is not None for token in tokens] == [False, True, True]
    await authenticator.stop()


async def test_no_token_or_hash_shows_in_what_the_authenticator_holds(
    store: CountingStore, authenticator: Authenticator
) -> None:
    token, key = await store.create("canary")
    await authenticator.authenticate(token, HERE)
    held = repr(vars(authenticator))
    assert key.key_id in held
    assert token not in held
    assert key.secret_hash not in held
