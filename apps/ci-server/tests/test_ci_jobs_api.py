"""Reading, cancelling and retrying jobs over HTTP."""

from datetime import UTC, datetime

import httpx
import pytest
from ci_api_factories import FAILED, PASSED, ended, make_key, running, submitted

from ci_server.api.cursor import encode_cursor
from ci_server.domain.job import Job
from ci_server.storage.database import Database
from ci_server.storage.job_store import JobStore

KEYS = {
    "job_id",
    "status",
    "success",
    "start_time",
    "end_time",
    "queued_time",
    "exit_code",
    "reason",
    "attempt",
    "priority",
    "command",
    "branch",
    "commit",
    "results",
}
UNKNOWN = "0" * 32


async def _listed(client: httpx.AsyncClient, **query: object) -> list[str]:
    answer = await client.get("/jobs", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return [job["job_id"] for job in answer.json()]


async def test_a_queued_job_is_told_with_what_is_not_known_yet(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await submitted(store, command="make test", branch="main", commit="abc", priority=3)
    told = (await client.get(f"/jobs/{job.job_id}")).json()
    assert told.keys() == KEYS
    assert datetime.fromisoformat(told.pop("queued_time")).tzinfo is not None
    assert told == dict.fromkeys(KEYS - {"queued_time"}) | {
        "job_id": job.job_id,
        "status": "queued",
        "attempt": 1,
        "priority": 3,
        "command": "make test",
        "branch": "main",
        "commit": "abc",
    }


async def test_a_job_that_has_ended_is_told_with_its_results(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await ended(store)
    told = (await client.get(f"/jobs/{job.job_id}")).json()
    assert (told["status"], told["success"], told["exit_code"]) == ("completed", True, 0)
    assert told["results"] == {"passed": 2, "failed": 0, "skipped": 1, "errors": 0, "duration": 0.5}
    assert told["queued_time"] <= told["start_time"] <= told["end_time"]


async def test_jobs_are_an_array_newest_first_with_the_next_page_in_a_link(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    jobs = [(await submitted(store)).job_id for _ in range(5)]
    found, url = list[str](), "/jobs?limit=2"
    for left in (True, True, False):
        page = await client.get(url)
        found += [job["job_id"] for job in page.json()]
        assert ("next" in page.links) is left
        url = page.links["next"]["url"] if left else ""
    assert found == jobs[::-1]


async def test_the_next_page_keeps_the_conditions_and_outlasts_a_retry(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    jobs = [(await ended(store, branch="a b&c")).job_id for _ in range(3)]
    await submitted(store, branch="other")
    await store.retry(jobs[2], "tests")
    page = await client.get("/jobs", params={"branch": "a b&c", "limit": 1})
    assert [job["job_id"] for job in page.json()] == [jobs[2]]
    rest = await client.get(page.links["next"]["url"].replace("limit=1", "limit=9"))
    assert [job["job_id"] for job in rest.json()] == [jobs[1], jobs[0]]
    assert "next" not in rest.links


async def test_conditions_hold_together(client: httpx.AsyncClient, store: JobStore) -> None:
    good = await ended(store, branch="main", command="pytest -k Speed")
    bad = await ended(store, outcome=FAILED, commit="abcdef")
    waiting = await submitted(store, branch="main")
    assert await _listed(client, status="completed") == [good.job_id]
    assert await _listed(client, success="false") == [bad.job_id]
    assert await _listed(client, q="speed") == [good.job_id]
    assert await _listed(client, q="abcd") == [bad.job_id]
    assert await _listed(client, q=waiting.job_id[:12]) == [waiting.job_id]
    assert await _listed(client, branch="main") == [waiting.job_id, good.job_id]
    assert await _listed(client, branch="main", status="queued") == [waiting.job_id]
    assert await _listed(client, branch="mai") == []


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("status=lost", "status"),
        ("success=maybe", "success"),
        ("q=", "q"),
        ("q=%00", "q"),
        (f"q={'x' * 256}", "q"),
        ("branch=%0A", "branch"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_parameter_that_is_not_acceptable_is_named(
    client: httpx.AsyncClient, query: str, place: str
) -> None:
    answer = await client.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [f"/query/{place}"]


@pytest.mark.parametrize("query", ["limit=1", "limit=1000", f"q={'x' * 255}", "success=true"])
async def test_a_parameter_at_its_limit_is_taken(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/jobs?{query}")).json() == []


async def test_a_cursor_of_a_job_that_is_gone_goes_on_behind_its_place(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await submitted(store)
    assert await _listed(client, cursor=encode_cursor((datetime.now(UTC), "f" * 32))) == [job.job_id]
    assert await _listed(client, cursor=encode_cursor((datetime(2020, 1, 1, tzinfo=UTC), "f" * 32))) == []


@pytest.mark.parametrize(("last", "status"), [("", 200), ("0", 200), ("x", 422)])
async def test_a_stream_takes_the_header_of_a_client_that_has_no_event_yet(
    client: httpx.AsyncClient, store: JobStore, last: str, status: int
) -> None:
    job = await ended(store)
    answer = await client.get(f"/jobs/{job.job_id}/stream", headers={"Last-Event-ID": last})
    assert answer.status_code == status
    assert ('"complete"' in answer.text) is (status == 200)


async def test_another_users_job_is_not_there_whatever_is_asked_of_it(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await ended(store, user="somebody")
    for job_id in (job.job_id, UNKNOWN, "..", "%00", job.job_id.upper(), f"{job.job_id}0"):
        for method, path in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/retry"),
            ("GET", "/logs"),
            ("HEAD", "/logs"),
            ("GET", "/stream"),
            ("GET", "/artifacts"),
            ("GET", "/artifacts/junit.xml"),
        ]:
            answer = await client.request(method, f"/jobs/{job_id}{path}")
            assert answer.status_code == 404, (method, job_id, path)
    assert await _listed(client) == []
    assert (await store.find(job.job_id)).attempt == job.attempt


async def test_an_admin_sees_everybodys_jobs(
    stranger: httpx.AsyncClient, store: JobStore, database: Database
) -> None:
    jobs = [await submitted(store, user) for user in ("a", "b")]
    stranger.headers.update(await make_key(database, "admin"))
    assert await _listed(stranger) == [job.job_id for job in reversed(jobs)]
    assert (await stranger.get(f"/jobs/{jobs[0].job_id}")).is_success


async def test_a_rotated_key_is_the_same_user(
    stranger: httpx.AsyncClient, store: JobStore, database: Database
) -> None:
    job = await submitted(store, "ann")
    for _ in range(2):
        stranger.headers.update(await make_key(database, "read", name="ann"))
        assert await _listed(stranger) == [job.job_id]


async def test_what_waits_is_cancelled_at_once_with_who_and_why(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await submitted(store)
    answer = await client.delete(f"/jobs/{job.job_id}", params={"why": "not needed"})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert "tests" in answer.json()["reason"]
    assert "not needed" in answer.json()["reason"]
    again = await client.delete(f"/jobs/{job.job_id}")
    assert (again.status_code, again.json()["type"]) == (409, "urn:fleet:problem:job-has-ended")


async def test_what_runs_is_going_to_be_stopped(client: httpx.AsyncClient, store: JobStore) -> None:
    job = await running(store)
    answer = await client.delete(f"/jobs/{job.job_id}")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert "tests" in str((await store.find(job.job_id)).attempt.cancel_wanted)


@pytest.mark.parametrize(("why", "status"), [("x" * 255, 200), ("x" * 256, 422), ("a\nb", 422), ("", 422)])
async def test_why_is_one_line(client: httpx.AsyncClient, store: JobStore, why: str, status: int) -> None:
    job = await submitted(store)
    assert (await client.delete(f"/jobs/{job.job_id}", params={"why": why})).status_code == status


async def test_a_retry_is_the_same_job_with_one_attempt_more(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    job = await ended(store, outcome=PASSED)
    told = (await client.post(f"/jobs/{job.job_id}/retry")).json()
    assert (told["job_id"], told["status"], told["attempt"]) == (job.job_id, "queued", 2)
    assert (told["success"], told["results"]) == (None, None)
    again = await client.post(f"/jobs/{job.job_id}/retry")
    assert (again.status_code, again.json()["type"]) == (409, "urn:fleet:problem:job-has-not-ended")


@pytest.fixture
async def queued(store: JobStore) -> Job:
    return await submitted(store)


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("write", "GET", "/jobs", 403),
        ("write", "GET", "/jobs/{}", 403),
        ("write", "GET", "/jobs/{}/stream", 403),
        ("read", "DELETE", "/jobs/{}", 403),
        ("read", "POST", "/jobs/{}/retry", 403),
        ("read", "POST", "/submit-async", 403),
        ("write", "DELETE", "/jobs/{}", 200),
        ("read", "GET", "/jobs/{}", 200),
    ],
)
async def test_reading_and_writing_are_apart(
    stranger: httpx.AsyncClient,
    database: Database,
    queued: Job,
    scope: str,
    method: str,
    path: str,
    status: int,
) -> None:
    headers = await make_key(database, scope)
    answer = await stranger.request(method, path.format(queued.job_id), headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("GET", "/jobs/x/stream"),
        ("HEAD", "/jobs/x/logs"),
        ("DELETE", "/jobs/x"),
        ("POST", "/submit"),
        ("POST", "/submit-stream"),
        ("POST", "/submit-async"),
        ("POST", "/jobs/x/retry"),
    ],
)
async def test_without_a_key_nothing_is_answered(stranger: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await stranger.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"])
async def test_what_is_for_operators_wants_no_key(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_answers_head(stranger: httpx.AsyncClient, path: str) -> None:
    answer = await stranger.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_queue_is_in_the_metrics(stranger: httpx.AsyncClient, store: JobStore) -> None:
    await running(store)
    await submitted(store)
    await submitted(store)
    told = (await stranger.get("/metrics")).text
    assert 'ci_jobs{status="queued"} 2.0' in told
    assert 'ci_jobs{status="running"} 1.0' in told
