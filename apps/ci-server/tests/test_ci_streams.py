"""What a stream tells of a job, and how it goes on where it broke off."""

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest
from ci_api_factories import FAILED, PASSED, ended, running, submitted, write_log
from ci_watched_jobs import Streams, streams_of, text_of
from sqlalchemy import delete

from ci_server.api import job_events
from ci_server.api.job_events import FROM_NOW_ON
from ci_server.domain.course import Outcome
from ci_server.domain.job import Job, Status
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore
from ci_server.storage.tables import jobs

TEXT = "ok ✓ ünïcode 🎉 end\r\n\tno newline\n\n\x1b[1mbold\x1b[0m\x00\u2028"


@pytest.fixture
async def streams(database: Database, store: JobStore, files: JobFiles) -> AsyncGenerator[Streams]:
    async with streams_of(database, store, files) as streams:
        yield streams


async def test_a_job_is_followed_from_the_queue_to_its_end(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    first, second = await submitted(store), await submitted(store)
    stream = streams.of(second, tell_id=True)
    assert (await stream.next()).data == {"type": "job_id", "job_id": second.job_id}
    assert (await stream.next()).data == {"type": "queued", "position": 2}
    await store.cancel(first.job_id, "tests")
    assert (await stream.next()).data == {"type": "queued", "position": 1}
    claimed = await store.claim("host", "process", None)
    assert claimed
    for line in ("one\n", "two\n"):
        write_log(files, claimed, line.encode())
        assert (await stream.next()).data == {"type": "log", "data": line}
    write_log(files, claimed, b"last")
    await store.finish(claimed, PASSED)
    assert [event.data for event in await stream.rest()] == [
        {"type": "log", "data": "last"},
        {"type": "complete", "success": True, "status": "completed", "reason": None, "exit_code": 0},
    ]
    ids = [event.event_id for event in stream.events]
    assert ids == sorted(ids)
    assert ids[-1] == len("one\ntwo\nlast")


async def test_a_place_in_the_queue_is_told_when_it_changes_and_else_not(
    streams: Streams, store: JobStore
) -> None:
    job = await submitted(store)
    stream = streams.of(job)
    assert (await stream.next()).data["position"] == 1
    # Behind it in the queue, so that nothing changes for it.
    await submitted(store)
    await submitted(store, priority=5)
    assert (await stream.next()).data["position"] == 2


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(FAILED, "failed"), (Outcome(Status.CANCELLED, False, -15, "By me."), "cancelled")],
)
async def test_the_end_says_how_it_came(
    streams: Streams, store: JobStore, outcome: Outcome, status: str
) -> None:
    [end] = await streams.of(await ended(store, outcome=outcome)).rest()
    assert end.data == {
        "type": "complete",
        "success": False,
        "status": status,
        "reason": outcome.reason,
        "exit_code": outcome.exit_code,
    }


async def test_from_now_on_is_only_what_comes(streams: Streams, store: JobStore, files: JobFiles) -> None:
    job = await running(store)
    write_log(files, job, b"before\n")
    stream = streams.of(job, FROM_NOW_ON)
    waiting = asyncio.ensure_future(stream.next())
    while not waiting.done():
        # Until it listens, what comes is before it came.
        write_log(files, job, b"after\n")
        await asyncio.sleep(0.05)
    assert set(waiting.result().data["data"].splitlines()) == {"after"}


@pytest.mark.parametrize("cut", range(1, 4))
async def test_from_now_on_begins_with_a_whole_character(
    streams: Streams, store: JobStore, files: JobFiles, cut: int
) -> None:
    job = await running(store)
    party = "🎉".encode()
    write_log(files, job, b"before" + party[:cut])
    stream = streams.of(job, FROM_NOW_ON)
    waiting = asyncio.ensure_future(stream.next())
    async with asyncio.timeout(60):
        while not streams.watches.readers:
            await asyncio.sleep(0.01)
    write_log(files, job, party[cut:] + b"!")
    assert (await waiting).data["data"] == "🎉!"


async def test_a_job_that_has_ended_is_complete_at_once_from_now_on(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_log(files, job, b"before\n")
    assert [event.kind for event in await streams.of(job, FROM_NOW_ON).rest()] == ["complete"]


async def test_a_log_is_told_whole_however_it_is_cut(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await running(store)
    data, draw = (TEXT * 3000).encode(), random.Random(1)
    stream = streams.of(job)
    reading = asyncio.ensure_future(stream.rest())
    offset = 0
    while offset < len(data):
        size = draw.randrange(1, 30_000)
        write_log(files, job, data[offset : offset + size])
        offset += size
        await asyncio.sleep(draw.choice([0, 0, 0.02]))
    await store.finish(job, PASSED)
    assert text_of(await reading) == TEXT * 3000


async def test_it_goes_on_behind_any_event_byte_by_byte(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_log(files, job, (TEXT * 2000).encode())
    whole = await streams.of(job).rest()
    assert len(whole) > 4
    for count, event in enumerate(whole, 1):
        rest = await streams.of(job, event.event_id).rest()
        assert text_of(whole[:count]) + text_of(rest) == TEXT * 2000
        assert rest[-1] == whole[-1]


async def test_what_is_no_text_is_replaced_and_nothing_is_lost_behind_it(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_log(files, job, b"\xff\xfe a \xe2\x9c")
    assert text_of(await streams.of(job).rest()) == "\ufffd\ufffd a \ufffd"


async def test_a_line_of_any_length_passes(streams: Streams, store: JobStore, files: JobFiles) -> None:
    job = await ended(store)
    write_log(files, job, b"x" * 3_000_000)
    events = await streams.of(job).rest()
    assert text_of(events) == "x" * 3_000_000
    assert max(len(event.data.get("data", "")) for event in events) <= 16 * 1024


async def test_a_stream_of_the_earlier_attempt_completes_when_the_job_is_retried(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await running(store)
    write_log(files, job, b"first")
    stream = streams.of(job)
    assert (await stream.next()).data["data"] == "first"
    await store.finish(job, FAILED)
    again = await store.retry(job.job_id, "tests")
    write_log(files, again, b"second")
    assert [event.data.get("reason") for event in await stream.rest()] == [FAILED.reason]


async def test_events_of_a_later_attempt_have_greater_ids(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_log(files, job, b"x" * 100_000)
    first = await streams.of(job).rest()
    second = streams.of(await store.retry(job.job_id, "tests"))
    assert (await second.next()).event_id == 1 << 48 > first[-1].event_id


async def test_a_job_that_is_deleted_ends_its_stream_with_an_end_of_its_own(
    streams: Streams, store: JobStore, database: Database
) -> None:
    job = await submitted(store)
    stream = streams.of(job)
    await stream.next()
    async with database.write() as connection:
        await connection.execute(delete(jobs))
    [end] = await stream.rest()
    assert (end.kind, end.data["success"], end.data["status"]) == ("complete", False, "deleted")


async def test_silence_is_broken_by_pings(
    streams: Streams, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "PING_SECONDS", 0.01)
    stream = streams.of(await running(store))
    async with asyncio.timeout(60):
        assert [await anext(stream.frames) for _ in range(3)] == [b": ping\n\n"] * 3


async def test_all_streams_end_without_an_end_when_the_server_stops(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    both: list[Job] = [await running(store), await submitted(store)]
    open_streams = [streams.of(job) for job in both]
    reading = [asyncio.ensure_future(stream.rest()) for stream in open_streams]
    async with asyncio.timeout(60):
        while streams.watches.readers < len(both):
            await asyncio.sleep(0.01)
    streams.watches.stopping.set()
    for events in await asyncio.gather(*reading):
        assert "complete" not in {event.kind for event in events}


async def test_readers_of_one_job_share_one_look_and_leave_nothing_behind(
    streams: Streams, store: JobStore, files: JobFiles
) -> None:
    job = await running(store)
    write_log(files, job, b"a")
    many = [streams.of(job) for _ in range(50)]
    for stream in many:
        await stream.next()
    assert streams.watches.readers == 50
    for stream in many:
        await stream.frames.aclose()
    assert streams.watches.readers == 0
