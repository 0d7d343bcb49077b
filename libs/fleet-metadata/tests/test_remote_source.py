"""A collector that asks somebody afar: its answers are from the last time, and about the subject of now."""

import asyncio
from collections.abc import Callable

import pytest
from made_collectors import Clock, MadeRemote, key_of, until

from fleet_metadata import CollectionFailed, NotApplicable
from fleet_metadata.collection.sources import LocalSource, RemoteSource, source_of
from fleet_metadata.collection.taken import Status

KEY = key_of("afar_branch")
FIRST, SECOND = {"afar_branch": "first"}, {"afar_branch": "second"}


@pytest.fixture
def afar() -> MadeRemote:
    return MadeRemote(FIRST, KEY, refresh_seconds=5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(afar: MadeRemote, clock: Clock) -> RemoteSource:
    return RemoteSource(afar, deadline=60, clock=clock)


def test_who_has_a_subject_is_remote(afar: MadeRemote) -> None:
    class Local:
        name, prefix, keys, collect = afar.name, afar.prefix, afar.keys, afar.collect

    assert isinstance(source_of(afar), RemoteSource)
    assert isinstance(source_of(Local()), LocalSource)


async def test_the_first_read_waits_and_the_next_answer_from_what_is_there(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    taken = await source.read()
    assert (taken.status, taken.values, taken.age_seconds) == (Status.OK, FIRST, 0)
    afar.told = SECOND
    afar.hang()
    clock.now += 6
    taken = await source.read()
    assert (taken.status, taken.values, taken.age_seconds) == (Status.OK, FIRST, 6)
    afar.go.set()
    await until(lambda: afar.collections == 2 and not afar.at_once)
    taken = await source.read()
    assert (taken.values, taken.age_seconds) == (SECOND, 0)


async def test_a_first_read_that_is_too_slow_has_failed_by_the_deadline(
    afar: MadeRemote, clock: Clock, skip_ahead: Callable[[float], None]
) -> None:
    source = RemoteSource(afar, deadline=10, clock=clock)
    afar.hang()
    reading = asyncio.create_task(source.read())
    await until(lambda: afar.at_once)
    clock.now += 10
    skip_ahead(10)
    taken = await reading
    assert (taken.status, taken.values, taken.error) == (Status.FAILED, None, "no answer for 10 s")
    # It goes on in the background.
    assert (afar.at_once, afar.cancellations) == (1, 0)
    afar.go.set()
    await until(lambda: not afar.at_once)
    assert (await source.read()).status is Status.OK
    assert afar.collections == 1


async def test_a_failure_keeps_the_values_as_stale_and_waits_as_long_as_it_was_told(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    await source.read()
    afar.told = CollectionFailed("rate limited until noon", retry_in=60)
    clock.now += 6
    await source.read()
    await until(lambda: not afar.at_once and afar.collections == 2)
    clock.now += 59
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (Status.STALE, FIRST, "rate limited until noon")
    assert taken.age_seconds == 65
    assert afar.collections == 2
    afar.told = SECOND
    clock.now += 1
    await source.read()
    await until(lambda: afar.collections == 3 and not afar.at_once)
    assert (await source.read()).values == SECOND


async def test_another_subject_is_told_of_at_once_and_never_of_the_old_one(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    await source.read()
    clock.now += 2
    afar.about, afar.told = "there", CollectionFailed("HTTP 404")
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (Status.FAILED, None, "HTTP 404")


async def test_what_was_collected_while_the_subject_was_another_is_not_told(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    afar.hang()
    afar.told = SECOND
    early = asyncio.create_task(source.read())
    await until(lambda: afar.at_once)
    afar.about = "there"
    afar.go.set()
    taken = await early
    assert (taken.status, taken.values) == (Status.FAILED, None)
    assert taken.error == "what it is about changed while it was collected, and is read anew"
    afar.about, afar.told = "here", FIRST
    clock.now += 2
    taken = await source.read()
    assert (taken.status, taken.values) == (Status.OK, FIRST)


async def test_nor_is_what_was_collected_when_it_does_not_apply_any_more(
    source: RemoteSource, afar: MadeRemote
) -> None:
    afar.hang()
    early = asyncio.create_task(source.read())
    await until(lambda: afar.at_once)
    afar.about = NotApplicable("no GitHub remote")
    afar.go.set()
    assert (await early).status is Status.FAILED


async def test_a_late_answer_about_the_old_subject_is_dropped(afar: MadeRemote, clock: Clock) -> None:
    source = RemoteSource(afar, deadline=60, clock=clock)
    afar.hang(swallows=True)
    early = asyncio.create_task(source.read())
    await until(lambda: afar.at_once)
    clock.now += 2
    afar.about, afar.told = "there", SECOND
    later = asyncio.create_task(source.read())
    await until(lambda: afar.cancellations)
    afar.go.set()
    assert (await later).values == SECOND
    assert (await early).values == SECOND
    assert (await source.read()).values == SECOND


async def test_a_subject_that_cannot_be_told_leaves_the_values_stale(
    source: RemoteSource, afar: MadeRemote
) -> None:
    await source.read()
    afar.about = CollectionFailed("git broke")
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (Status.STALE, FIRST, "git broke")
    afar.about = "here"
    assert (await source.read()).status is Status.OK
    assert afar.collections == 1


async def test_a_subject_that_hangs_delays_no_longer_than_the_deadline(
    afar: MadeRemote, skip_ahead: Callable[[float], None]
) -> None:
    source = RemoteSource(afar, deadline=10)
    await source.read()
    afar.knows.clear()
    reading = asyncio.create_task(source.read())
    await until(source._subject.is_under_way)
    await asyncio.sleep(0.01)
    skip_ahead(10)
    taken = await reading
    assert (taken.status, taken.values, taken.error) == (Status.STALE, FIRST, "no answer within 10 s")


async def test_a_subject_that_breaks_is_a_failure(source: RemoteSource, afar: MadeRemote) -> None:
    afar.about = ZeroDivisionError("Canary")
    taken = await source.read()
    assert taken.status is Status.FAILED
    assert taken.error == "a fault in the collector, told in the log: ZeroDivisionError"


async def test_no_subject_means_that_it_does_not_apply_and_forgets(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    afar.about = None
    await source.read()
    afar.about = NotApplicable("no GitHub remote")
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (Status.NOT_APPLICABLE, None, "no GitHub remote")
    clock.now += 2
    afar.about, afar.told = None, SECOND
    assert (await source.read()).values == SECOND


async def test_what_is_found_not_to_apply_is_not_a_failure(
    source: RemoteSource, afar: MadeRemote, clock: Clock
) -> None:
    await source.read()
    afar.told = NotApplicable("no merge requests here")
    clock.now += 3600
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (
        Status.NOT_APPLICABLE,
        None,
        "no merge requests here",
    )


async def test_an_hour_old_value_is_waited_for(source: RemoteSource, afar: MadeRemote, clock: Clock) -> None:
    await source.read()
    afar.told = SECOND
    clock.now += 3600
    taken = await source.read()
    assert (taken.values, taken.age_seconds) == (SECOND, 0)


async def test_a_slow_refresh_is_stale_once_it_is_overdue(afar: MadeRemote, clock: Clock) -> None:
    source = RemoteSource(afar, clock=clock)
    await source.read()
    afar.hang()
    clock.now += 6
    assert (await source.read()).status is Status.OK
    clock.now += 1.9
    assert (await source.read()).status is Status.OK
    clock.now += 0.1
    taken = await source.read()
    assert (taken.status, taken.values, taken.error) == (Status.STALE, FIRST, "no answer for 2 s")
    afar.go.set()
    await until(lambda: not afar.at_once)
    assert (await source.read()).status is Status.OK


async def test_a_collector_that_changes_what_it_gave_changes_no_answer(
    source: RemoteSource, afar: MadeRemote
) -> None:
    afar.told = dict(FIRST)
    taken = await source.read()
    afar.told.clear()
    assert taken.values == FIRST
    assert (await source.read()).values == FIRST


async def test_stopping_ends_both_and_closes(afar: MadeRemote) -> None:
    source = RemoteSource(afar, deadline=0.05)
    afar.hang()
    await source.read()
    afar.knows.clear()
    reading = asyncio.create_task(source.read())
    await source.stop()
    await reading
    assert (afar.at_once, afar.closed) == (0, 1)
