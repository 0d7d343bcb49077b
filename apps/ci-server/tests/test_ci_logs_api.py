"""The whole log of a job over HTTP, in one piece or in ranges."""

import httpx
import pytest
from ci_api_factories import FAILED, ended, running, submitted, write_log

from ci_server.domain.job import Job
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

LOG = b"0123456789" * 100_000


@pytest.fixture
async def finished(store: JobStore, files: JobFiles) -> Job:
    job = await ended(store)
    write_log(files, job, LOG)
    return job


async def test_a_log_is_plain_text_as_it_is_stored(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    raw = b"a \xe2\x9c\x93 \xff\x00\x1b[1m\r\n"
    write_log(files, job, raw)
    answer = await client.get(f"/jobs/{job.job_id}/logs")
    assert answer.content == raw
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("queued", [True, False])
async def test_a_log_that_is_not_there_yet_is_empty(
    client: httpx.AsyncClient, store: JobStore, queued: bool
) -> None:
    job = await (submitted if queued else ended)(store)
    answer = await client.get(f"/jobs/{job.job_id}/logs")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=999990-", 999_990, 999_999),
        ("bytes=-1", 999_999, 999_999),
        ("bytes=-5000000", 0, 999_999),
        ("bytes=500000-99999999", 500_000, 999_999),
    ],
)
async def test_a_range_is_answered_with_its_bytes(
    client: httpx.AsyncClient, finished: Job, asked: str, first: int, last: int
) -> None:
    answer = await client.get(f"/jobs/{finished.job_id}/logs", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == LOG[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(LOG)}"


@pytest.mark.parametrize("asked", ["bytes=1000000-", "bytes=1000000-1000001", "bytes=-0"])
async def test_a_range_behind_the_end_cannot_be_satisfied(
    client: httpx.AsyncClient, finished: Job, asked: str
) -> None:
    answer = await client.get(f"/jobs/{finished.job_id}/logs", headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(LOG)}")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=5-4", "lines=1-2", "bytes=a-b", "bytes=-", "1-2"])
async def test_ranges_of_other_kinds_get_all_of_it(
    client: httpx.AsyncClient, finished: Job, asked: str
) -> None:
    answer = await client.get(f"/jobs/{finished.job_id}/logs", headers={"Range": asked})
    assert (answer.status_code, answer.content == LOG) == (200, True)


async def test_if_range_holds_for_a_log_that_is_final(client: httpx.AsyncClient, finished: Job) -> None:
    url = f"/jobs/{finished.job_id}/logs"
    etag = (await client.get(url)).headers["etag"]
    assert etag.startswith('"')
    for condition, status in [(etag, 206), ('"other"', 200), (f"W/{etag}", 200)]:
        answer = await client.get(url, headers={"Range": "bytes=1-2", "If-Range": condition})
        assert answer.status_code == status
    known = await client.get(url, headers={"If-None-Match": f'"other", {etag}'})
    assert (known.status_code, known.content) == (304, b"")


async def test_a_log_that_grows_has_no_etag_and_its_ranges_follow_it(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await running(store)
    url = f"/jobs/{job.job_id}/logs"
    write_log(files, job, b"one")
    assert "etag" not in (await client.get(url)).headers
    write_log(files, job, b"two")
    rest = await client.get(url, headers={"Range": "bytes=3-"})
    assert (rest.status_code, rest.content) == (206, b"two")
    assert (await client.get(url, headers={"Range": "bytes=6-"})).status_code == 416


async def test_head_tells_the_size_and_sends_nothing(client: httpx.AsyncClient, finished: Job) -> None:
    answer = await client.head(f"/jobs/{finished.job_id}/logs", headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(LOG))


async def test_earlier_attempts_keep_their_logs(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store, outcome=FAILED)
    write_log(files, job, b"first")
    write_log(files, await store.retry(job.job_id, "tests"), b"second")
    url = f"/jobs/{job.job_id}/logs"
    answers = [await client.get(f"{url}{query}") for query in ("?attempt=1", "?attempt=2", "")]
    assert [answer.content for answer in answers] == [b"first", b"second", b"second"]


@pytest.mark.parametrize(
    ("attempt", "status"),
    [("1", 200), ("0", 422), ("2", 404), ("2147483647", 404), ("2147483648", 422), ("x", 422)],
)
async def test_only_attempts_that_were_made_are_there(
    client: httpx.AsyncClient, finished: Job, attempt: str, status: int
) -> None:
    for path in ("logs", "artifacts"):
        answer = await client.get(f"/jobs/{finished.job_id}/{path}", params={"attempt": attempt})
        assert answer.status_code == status
