"""What is fetched in the background and fails, hangs, or is not to be fetched for a while."""

import asyncio
from collections.abc import Callable, Generator
from time import monotonic

import pytest
from fetched_server import FetchedServer
from made_collectors import Clock, until

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.freshness.refreshed import Refreshed

PATIENCE = 60.0
OVERDUE = 2.0


@pytest.fixture
def server() -> Generator[FetchedServer]:
    server = FetchedServer()
    yield server
    # Where a test failed, it may be at something still that it does not end.
    server.go.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refreshed(server: FetchedServer, clock: Clock) -> Refreshed[int]:
    return Refreshed(server.fetch, 5, clock=clock)


async def test_a_failure_keeps_the_value_and_says_why_until_one_succeeds(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    server.fault = CollectionFailed("HTTP 500")
    clock.now += 6
    await refreshed.read(PATIENCE)
    await until(lambda: refreshed.last().error)
    failed = refreshed.last()
    assert (failed.value, failed.error, failed.age_seconds) == (1, "HTTP 500", 6)
    server.fault = None
    clock.now += 6
    await refreshed.read(PATIENCE)
    await until(lambda: not refreshed.last().error)
    assert (refreshed.last().value, refreshed.last().age_seconds) == (3, 0)


async def test_a_failure_at_first_is_no_reason_to_wait_again(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    server.fault = CollectionFailed("HTTP 500")
    assert (await refreshed.read(PATIENCE)).error == "HTTP 500"
    server.go.clear()
    clock.now += 6
    told = await refreshed.read(PATIENCE)
    assert (told.value, told.error) == (None, "HTTP 500")
    await until(lambda: server.asked == 2)


@pytest.mark.parametrize(
    ("retry_in", "passed", "asked"), [(60.0, 59.9, 1), (60.0, 60.0, 2), (1.0, 4.9, 1), (1.0, 5.0, 2)]
)
async def test_who_says_when_to_come_again_is_not_asked_before(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock, retry_in: float, passed: float, asked: int
) -> None:
    server.fault = CollectionFailed("rate limited", retry_in)
    await refreshed.read(PATIENCE)
    clock.now += passed
    await refreshed.read(PATIENCE)
    await asyncio.sleep(0)
    assert server.asked == asked


async def test_who_says_when_to_come_again_is_not_asked_before_about_anything_else_either(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    server.fault = CollectionFailed("rate limited", 60)
    await refreshed.read(PATIENCE)
    server.fault = None
    refreshed.forget()
    told = await refreshed.read(PATIENCE)
    assert (told.value, told.error, server.asked) == (None, "rate limited", 1)
    clock.now += 60
    refreshed.forget()
    told = await refreshed.read(PATIENCE)
    assert (told.value, told.error) == (2, None)


async def test_one_that_was_forgotten_and_does_not_end_has_no_other_beside_it(
    server: FetchedServer, skip_ahead: Callable[[float], None]
) -> None:
    refreshed = Refreshed(server.fetch, 0, within=20)
    server.go.clear()
    server.stubborn = True
    await refreshed.read(0)
    await until(lambda: server.asked)
    for _ in range(3):
        refreshed.forget()
        reading = asyncio.create_task(refreshed.read(PATIENCE))
        await _turns()
        skip_ahead(20)
        assert (await reading).error == "no answer within 20 s"
    assert server.asked == 1
    server.go.set()
    await until(lambda: server.at_once == 0)
    assert (await refreshed.read(PATIENCE)).value is None
    await until(lambda: refreshed.last().value == 2)


async def test_a_slow_fetch_is_an_error_once_it_is_overdue(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    server.go.clear()
    clock.now += 10
    assert (await refreshed.read(OVERDUE)).error is None
    clock.now += 1.9
    assert (await refreshed.read(OVERDUE)).error is None
    clock.now += 0.1
    told = await refreshed.read(OVERDUE)
    assert (told.value, told.error, told.duration_seconds) == (1, "no answer for 2 s", 2)
    server.go.set()
    await until(lambda: refreshed.last().value == 2)
    assert refreshed.last().error is None


async def test_little_patience_makes_no_fetch_overdue(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    clock.now += 10
    server.go.clear()
    assert (await refreshed.read(0.0, overdue=OVERDUE)).error is None
    assert (await refreshed.read(-1.0, overdue=OVERDUE)).error is None


async def test_nor_is_an_error_told_that_is_of_a_time_long_past(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    server.fault = CollectionFailed("HTTP 500")
    clock.now += 6
    await refreshed.read(PATIENCE)
    await until(lambda: refreshed.last().error)
    server.fault = None
    clock.now += 3600
    told = await refreshed.read(PATIENCE)
    assert (told.value, told.error) == (3, None)


async def test_a_fetch_that_takes_far_too_long_is_given_up(
    server: FetchedServer, skip_ahead: Callable[[float], None]
) -> None:
    refreshed = Refreshed(server.fetch, 0, within=20)
    server.go.clear()
    reading = asyncio.create_task(refreshed.read(PATIENCE))
    await until(lambda: server.asked)
    skip_ahead(20)
    assert (await reading).error == "no answer within 20 s"
    assert server.at_once == 0
    server.go.set()
    await refreshed.read(PATIENCE)
    await until(lambda: refreshed.last().value == 2)


async def _turns() -> None:
    """As many as it takes to do all that waits for no timer."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_that_does_not_end_is_not_begun_twice(server: FetchedServer) -> None:
    refreshed = Refreshed(server.fetch, 0, within=0.05)
    server.go.clear()
    server.stubborn = True
    assert (await refreshed.read(0.2)).value is None
    for _ in range(3):
        assert (await refreshed.read(0.0)).error
    assert server.asked == 1
    server.go.set()
    await until(lambda: refreshed.last().value == 1)


async def test_a_fetch_that_breaks_in_another_way_is_tried_again_in_time(
    server: FetchedServer, clock: Clock, refreshed: Refreshed[int]
) -> None:
    server.fault = asyncio.CancelledError()
    for _ in range(3):
        await refreshed.read(PATIENCE)
    assert server.asked == 1
    server.fault = None
    clock.now += 5
    assert (await refreshed.read(PATIENCE)).value == 2


async def test_stopping_ends_what_is_under_way_and_begins_nothing(
    refreshed: Refreshed[int], server: FetchedServer
) -> None:
    await refreshed.stop(1)
    server.go.clear()
    other = Refreshed(server.fetch, 5)
    reader = asyncio.create_task(other.read(PATIENCE))
    await until(lambda: server.asked)
    await other.stop(1)
    assert server.at_once == 0
    await reader
    await refreshed.read(0.05)
    server.go.set()
    # Nor about anything else.
    for stopped in (refreshed, other):
        stopped.forget()
        await stopped.read(0.05)
    assert server.asked == 1


async def test_stopping_waits_no_longer_than_it_was_told(server: FetchedServer) -> None:
    refreshed = Refreshed(server.fetch, 5)
    server.go.clear()
    server.stubborn = True
    await refreshed.read(0.01)
    began = monotonic()
    await refreshed.stop(0.05)
    # Who waited for its end would do so for ever.
    assert monotonic() - began < 15
    server.go.set()
    await until(lambda: server.at_once == 0)
