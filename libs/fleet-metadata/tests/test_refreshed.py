"""What is fetched in the background, and what is answered meanwhile."""

import asyncio
from collections.abc import Callable, Generator
from time import monotonic

import pytest
from fetched_server import FetchedServer
from made_collectors import Clock, until

from fleet_metadata.freshness.refreshed import Refreshed

PATIENCE = 60.0


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


async def test_the_first_reader_waits_and_the_next_do_not(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    server.go.clear()
    first = asyncio.create_task(refreshed.read(PATIENCE))
    await until(lambda: server.asked)
    assert not first.done()
    server.go.set()
    assert (await first).value == 1
    clock.now += 10
    server.go.clear()
    assert (await refreshed.read(PATIENCE)).value == 1
    assert server.asked == 1
    await until(lambda: server.asked == 2)
    server.go.set()
    await until(lambda: refreshed.last().value == 2)


async def test_it_is_fetched_at_most_every_so_many_seconds(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    for passed, asked in ((4.9, 1), (0.2, 2), (4.9, 2), (0.2, 3)):
        clock.now += passed
        for _ in range(20):
            await refreshed.read(PATIENCE)
            await asyncio.sleep(0)
        assert server.asked == asked


async def test_one_fetch_at_a_time_however_many_read(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    server.go.clear()
    readers = [asyncio.create_task(refreshed.read(PATIENCE)) for _ in range(100)]
    await until(lambda: server.asked)
    clock.now += 1.9
    late = asyncio.create_task(refreshed.read(PATIENCE))
    await asyncio.sleep(0)
    server.go.set()
    assert {(await reader).value for reader in (*readers, late)} == {1}
    assert server.asked == 1


async def test_a_reader_who_goes_away_does_not_end_the_fetch(
    refreshed: Refreshed[int], server: FetchedServer
) -> None:
    server.go.clear()
    gone = asyncio.create_task(refreshed.read(PATIENCE))
    await until(lambda: server.asked)
    gone.cancel()
    server.go.set()
    assert (await refreshed.read(PATIENCE)).value == 1


async def test_what_is_forgotten_is_fetched_at_once_when_the_last_fetch_was_two_seconds_ago(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    await refreshed.read(PATIENCE)
    refreshed.forget()
    clock.now += 1.9
    told = await refreshed.read(0.01)
    assert (told.value, told.error, server.asked) == (None, None, 1)
    refreshed.forget()
    clock.now += 0.1
    assert refreshed.last().value is None
    assert refreshed.last().age_seconds is None
    reading = asyncio.create_task(refreshed.read(PATIENCE))
    await _turns()
    assert server.asked == 2
    assert (await reading).value == 2


async def _turns() -> None:
    """As many as it takes to do all that waits for no timer."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_fetch_that_comes_too_soon_is_waited_for_until_it_is_time(server: FetchedServer) -> None:
    refreshed = Refreshed(server.fetch, 0.2)
    began = monotonic()
    assert (await refreshed.read(PATIENCE)).value == 1
    refreshed.forget()
    assert (await refreshed.read(PATIENCE)).value == 2
    assert monotonic() - began >= 0.19


async def test_however_often_it_is_forgotten_fetches_are_two_seconds_apart(
    server: FetchedServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No timer goes off, however slow the machine.
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 0.0)
    refreshed = Refreshed(server.fetch, 360, clock=clock)
    for _ in range(100):
        refreshed.forget()
        await refreshed.read(0)
        await _turns()
        clock.now += 0.1
    assert server.asked == 5


async def test_a_fetch_that_was_forgotten_tells_nothing_when_it_ends(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock
) -> None:
    server.go.clear()
    server.stubborn = True
    early = asyncio.create_task(refreshed.read(PATIENCE))
    await until(lambda: server.asked)
    refreshed.forget()
    clock.now += 2
    later = asyncio.create_task(refreshed.read(PATIENCE))
    server.go.set()
    assert (await later).value == 2
    assert server.most_at_once == 1
    # Who had waited for the old one is content with the new one.
    assert (await early).value == 2


async def test_a_first_fetch_is_waited_for_no_longer_than_patience_is(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock, skip_ahead: Callable[[float], None]
) -> None:
    server.go.clear()
    reading = asyncio.create_task(refreshed.read(10))
    await until(lambda: server.asked)
    skip_ahead(9)
    await _turns()
    assert not reading.done()
    clock.now += 10
    skip_ahead(1)
    told = await reading
    assert (told.value, told.error) == (None, "no answer for 10 s")


@pytest.mark.parametrize(("passed", "value"), [(65.0, 1), (65.1, 2), (3600.0, 2)])
async def test_what_is_of_a_time_long_past_is_waited_for(
    refreshed: Refreshed[int], server: FetchedServer, clock: Clock, passed: float, value: int
) -> None:
    await refreshed.read(PATIENCE)
    clock.now += passed
    assert (await refreshed.read(PATIENCE)).value == value
