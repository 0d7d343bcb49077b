import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from ci_storage import DIALECTS, FAILED_TESTS, PASSED, claimed, migrated_database, opened, run, submit
from ci_webhook_receiver import OK, Received, Receiver, webhook_receiver
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from ci_server.domain.course import Outcome, could_not_start
from ci_server.domain.job import Job, Status
from ci_server.storage.changes import Changes
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore
from ci_server.storage.outbox import CLAIMED_FOR, Outbox
from ci_server.webhooks.deliverer import Deliverer
from ci_server.webhooks.retries import LONGEST_ASKED_FOR, WAITS, wait_after
from ci_server.webhooks.signing import kept_secret, signature

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "a secret"


class Clock:
    """The time of the outbox; it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(params=DIALECTS)
def url(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    create_database: Callable[..., str],
    drop_database: Callable[[str], None],
) -> Generator[str]:
    with migrated_database(request.param, tmp_path, create_database, drop_database) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    async with opened(url) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> JobStore:
    return JobStore(database, clock)


@pytest.fixture
def outbox(database: Database, clock: Clock) -> Outbox:
    return Outbox(database, clock)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with webhook_receiver() as receiver:
        yield receiver


def public(job: Job) -> Mapping[str, object]:
    return {"job_id": job.job_id, "status": job.attempt.status, "attempt": job.attempt.number}


@asynccontextmanager
async def delivering(outbox: Outbox, database: Database, try_seconds: float = 10) -> AsyncGenerator[None]:
    changes = Changes(database)
    deliverer = Deliverer(outbox, changes, public, SECRET, try_seconds)
    changes.start()
    deliverer.start()
    try:
        yield
    finally:
        await deliverer.stop()
        await changes.stop()


async def until_due(outbox: Outbox, is_right: Callable[[float | None], bool]) -> float | None:
    async with asyncio.timeout(20):
        while not is_right(due := await outbox.due_in()):
            await asyncio.sleep(0.01)
    return due


async def events(outbox: Outbox) -> list[tuple[str, str]]:
    return [(delivery.job.job_id, delivery.event) for delivery in await outbox.claim(100)]


async def test_every_end_of_a_job_with_a_webhook_is_told_once(store: JobStore, outbox: Outbox) -> None:
    ends = [PASSED, FAILED_TESTS, could_not_start("no image"), Outcome(Status.CANCELLED, False)]
    jobs = [await run(store, end, branch=str(number), webhook="http://x/") for number, end in enumerate(ends)]
    queued = await submit(store, webhook="http://x/")
    jobs.append(await store.cancel(queued.job_id, "ann"))
    await run(store)
    assert sorted(await events(outbox)) == sorted((job.job_id, "completed") for job in jobs)
    assert await events(outbox) == []


@pytest.mark.parametrize(
    ("earlier", "outcome", "recovers"),
    [
        ([], PASSED, False),
        ([PASSED], PASSED, False),
        ([FAILED_TESTS], FAILED_TESTS, False),
        ([FAILED_TESTS], PASSED, True),
        ([could_not_start("no image")], PASSED, True),
        ([FAILED_TESTS, PASSED], PASSED, False),
        ([PASSED, FAILED_TESTS], PASSED, True),
        ([PASSED, Outcome(Status.CANCELLED, False)], PASSED, False),
        ([FAILED_TESTS, Outcome(Status.CANCELLED, False)], PASSED, True),
    ],
    ids=[
        "first",
        "still passes",
        "still fails",
        "passes",
        "runs",
        "passed",
        "passes again",
        "was cancelled",
        "failed before",
    ],
)
async def test_a_success_after_a_failure_is_told_as_well(
    store: JobStore, outbox: Outbox, clock: Clock, earlier: list[Outcome], outcome: Outcome, recovers: bool
) -> None:
    for end in earlier:
        await run(store, end)
        clock.now += timedelta(seconds=1)
    await run(store, outcome, webhook="http://x/")
    told = [event for _, event in await events(outbox)]
    assert told == (["completed", "recovered"] if recovers else ["completed"])


@pytest.mark.parametrize("other", [{"user": "bob"}, {"branch": "other"}, {"command": "make"}], ids=str)
async def test_a_failure_of_something_else_is_nothing_to_recover_from(
    store: JobStore, outbox: Outbox, other: dict[str, str]
) -> None:
    await run(store, FAILED_TESTS, **other)  # pyright: ignore[reportArgumentType]
    await run(store, PASSED, webhook="http://x/")
    assert [event for _, event in await events(outbox)] == ["completed"]


async def test_a_retry_that_succeeds_has_recovered(store: JobStore, outbox: Outbox, clock: Clock) -> None:
    job = await run(store, FAILED_TESTS, webhook="http://x/", branch="main")
    await store.retry(job.job_id, "ann")
    clock.now += timedelta(seconds=1)
    await store.finish(await claimed(store), PASSED)
    found = await outbox.claim(10)
    told = [(delivery.job.attempt.number, delivery.event) for delivery in found]
    assert told == [(1, "completed"), (2, "completed"), (2, "recovered")]
    assert found[0].job == job


async def test_a_delivery_is_one_deliverers_at_a_time(store: JobStore, outbox: Outbox, url: str) -> None:
    for _ in range(30):
        await run(store, webhook="http://x/")
    async with opened(url) as other:
        found = await asyncio.gather(
            *(Outbox(database, outbox._clock).claim(10) for database in [other] * 2 + [outbox._database] * 2)
        )
    ids = [delivery.delivery_id for deliveries in found for delivery in deliveries]
    assert len(ids) == len(set(ids))
    rest = await outbox.claim(100)
    assert len(ids) + len(rest) == 30


async def test_what_a_dead_deliverer_has_claimed_is_tried_again(
    store: JobStore, outbox: Outbox, clock: Clock
) -> None:
    await run(store, webhook="http://x/")
    (first,) = await outbox.claim(10)
    assert await outbox.due_in() == CLAIMED_FOR.total_seconds()
    clock.now += CLAIMED_FOR
    (second,) = await outbox.claim(10)
    assert (first.delivery_id, first.tries, second.tries) == (second.delivery_id, 1, 2)
    # The first one was not dead, but slow: what it says comes too late.
    await outbox.postpone(first, 0)
    assert await outbox.claim(10) == []
    await outbox.postpone(second, 5)
    assert await outbox.due_in() == 5
    await outbox.remove(second)
    assert await outbox.due_in() is None


async def test_a_webhook_arrives_signed(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver
) -> None:
    async with delivering(outbox, database):
        job = await run(store, webhook=f"{receiver.url}/hook?a=b")
        received = await receiver.next()
        await until_due(outbox, lambda due: due is None)
    assert received.path == "/hook?a=b"
    assert json.loads(received.body) == {"event": "completed", "job": public(job)}
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-fleet-event"] == "completed"
    assert UUID(received.headers["x-fleet-delivery"]).version == 4
    digest = hmac.new(SECRET.encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-fleet-signature-256"] == f"sha256={digest}"


async def test_what_did_not_arrive_comes_again_with_the_same_id(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver, clock: Clock
) -> None:
    receiver.answer = lambda _received: b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    async with delivering(outbox, database):
        await run(store, webhook=receiver.url)
        first = await receiver.next()
        due = await until_due(outbox, lambda due: due is not None and due < CLAIMED_FOR.total_seconds())
        assert due
        assert WAITS[0] <= due <= 1.2 * WAITS[0]
        receiver.answer = lambda _received: OK
        clock.now += timedelta(seconds=1.2 * WAITS[0])
        await submit(store)
        assert await receiver.next() == first
        await until_due(outbox, lambda due: due is None)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"no HTTP\r\n\r\n",
        b"",
        None,
    ],
    ids=["redirect", "not found", "no HTTP", "closed", "silent"],
)
async def test_only_success_is_success(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver, answer: bytes | None
) -> None:
    receiver.answer = lambda _received: answer
    async with delivering(outbox, database, try_seconds=0.3 if answer is None else 20):
        await run(store, webhook=receiver.url)
        assert (await receiver.next()).path == "/"
        await until_due(outbox, lambda due: due is not None and 0 < due < CLAIMED_FOR.total_seconds())
    assert receiver.received.empty()


@pytest.mark.parametrize("url_of_hook", ["http://127.0.0.1:1/", "http://[/", "ftp://127.0.0.1/", "x"])
async def test_who_cannot_be_reached_is_tried_again(
    store: JobStore, outbox: Outbox, database: Database, url_of_hook: str
) -> None:
    async with delivering(outbox, database):
        await run(store, webhook=url_of_hook)
        await until_due(outbox, lambda due: due is not None and 0 < due < CLAIMED_FOR.total_seconds())


async def test_an_endless_answer_is_not_read(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda _received: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx"
    async with delivering(outbox, database):
        await run(store, webhook=receiver.url)
        await until_due(outbox, lambda due: due is None)


async def test_after_the_last_try_it_is_given_up(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver, clock: Clock
) -> None:
    await run(store, webhook=receiver.url)
    for _ in WAITS:
        await outbox.claim(1)
        clock.now += CLAIMED_FOR
    receiver.answer = lambda _received: b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    before = _given_up()
    with capture_logs() as logs:
        async with delivering(outbox, database):
            await until_due(outbox, lambda due: due is None)
    assert [log["reason"] for log in logs if log["event"] == "webhook_given_up"] == ["status 500"]
    assert _given_up() == before + 1
    assert receiver.received.qsize() == 1


def _given_up() -> float:
    return REGISTRY.get_sample_value("ci_webhook_deliveries_total", {"result": "given_up"}) or 0


async def test_one_who_hangs_holds_up_nobody(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver
) -> None:
    def answer(received: Received) -> bytes | None:
        return None if received.path == "/hangs" else OK

    receiver.answer = answer
    async with delivering(outbox, database, try_seconds=60):
        await run(store, webhook=f"{receiver.url}/hangs")
        assert (await receiver.next()).path == "/hangs"
        await run(store, webhook=f"{receiver.url}/answers")
        assert (await receiver.next()).path == "/answers"


async def test_what_is_under_way_at_a_stop_is_tried_again(
    store: JobStore, outbox: Outbox, database: Database, receiver: Receiver, clock: Clock
) -> None:
    receiver.answer = lambda _received: None
    async with delivering(outbox, database, try_seconds=60):
        await run(store, webhook=receiver.url)
        first = await receiver.next()
    receiver.answer = lambda _received: OK
    clock.now += CLAIMED_FOR
    async with delivering(outbox, database):
        assert await receiver.next() == first


async def test_a_job_that_was_removed_is_told_to_nobody(store: JobStore, outbox: Outbox) -> None:
    job = await run(store, webhook="http://x/")
    (delivery,) = await outbox.claim(1)
    await store.delete(job.job_id)
    await outbox.postpone(delivery, 0)
    assert await outbox.due_in() is None


@pytest.mark.parametrize(("tries", "wait"), [*enumerate(WAITS, start=1), (len(WAITS) + 1, None)])
def test_the_waits_grow_until_it_is_given_up(tries: int, wait: float | None) -> None:
    assert wait_after(tries, None, NOON, lambda low, _high: low) == wait
    latest = wait_after(tries, None, NOON, lambda _low, high: high)
    assert latest == (wait and pytest.approx(1.2 * wait))


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("3", WAITS[0]),
        ("120", 120),
        ("3600", LONGEST_ASKED_FOR),
        ("3601", LONGEST_ASKED_FOR),
        ("9" * 400, LONGEST_ASKED_FOR),
        ("Thu, 01 Jan 2026 12:02:00 GMT", 120),
        ("Thu, 01 Jan 2026 11:00:00 GMT", WAITS[0]),
        ("Thu, 01 Jan 9999 11:00:00 -0000", LONGEST_ASKED_FOR),
        ("soon", WAITS[0]),
        ("-5", WAITS[0]),
        ("²", WAITS[0]),
        ("", WAITS[0]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_who_asks_for_more_time_gets_up_to_an_hour(asked: str, wait: float) -> None:
    assert wait_after(1, asked, NOON, lambda low, _high: low) == wait
    assert wait_after(len(WAITS) + 1, asked, NOON) is None


def test_a_signature_can_be_checked_with_any_tool() -> None:
    # printf '{}' | openssl dgst -sha256 -hmac secret
    assert signature("secret", b"{}") == (
        "sha256=77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
    )


def test_the_secret_is_made_once_however_many_want_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(kept_secret, [folder] * 16))
    assert len(made) == 1
    assert made == {kept_secret(folder)}
    assert len(made.pop()) == 64
    assert (folder / "webhook-secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_was_half_written_at_a_crash_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret.new").write_text("half")
    assert len(kept_secret(tmp_path)) == 64
    assert not (tmp_path / "webhook-secret.new").exists()
