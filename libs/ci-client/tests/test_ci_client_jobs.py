"""What the client tells of jobs, their logs and what they left."""

from pathlib import Path

import pytest
from ci_small_server import KEY, SmallCiServer, Waits

from ci_client import (
    AsyncCiClient,
    CiClient,
    CiError,
    Job,
    NotFound,
    Refused,
    ServerUnavailable,
    StrangeAnswer,
)
from ci_client.job_ids import find_job

BYTES = "übung ✓\r\n\x1b[0m\u2028" * 50


def test_a_job_is_told_with_all_that_a_newer_server_tells(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(status="completed", success=False, results={"passed": 3, "failed": 1, "xfailed": 2})
    told = client.job(job.job_id)
    assert (told.status, told.success, told.exit_code, told.has_ended) == ("completed", False, 1, True)
    assert told.results
    assert (told.results.passed, told.results.failed, told.results.skipped) == (3, 1, 0)
    assert told.results.model_dump()["xfailed"] == 2


def test_jobs_come_newest_first_over_all_pages(server: SmallCiServer, client: CiClient) -> None:
    added = [server.add(status="running" if number % 2 else "queued").job_id for number in range(7)]
    assert [job.job_id for job in client.jobs(page=2)] == added[::-1]
    assert server.asked["GET /jobs"] == 4
    assert [job.job_id for job in client.jobs("running", page=2)] == added[5::-2]


def test_jobs_are_found_by_their_success_and_branch(server: SmallCiServer, client: CiClient) -> None:
    good = server.add(status="completed", success=True, form={"branch": ["main"]})
    server.add(status="completed", success=False, form={"branch": ["main"]})
    server.add(status="completed", success=True, form={"branch": ["other"]})
    assert [job.job_id for job in client.jobs(success=True, branch="main")] == [good.job_id]


def test_only_what_does_no_harm_is_asked_again(server: SmallCiServer, client: CiClient, waits: Waits) -> None:
    job = server.add(status="completed", success=True)
    server.refusals.extend([(502, "bad gateway", {})] * 3)
    assert client.job(job.job_id).success
    assert len(waits) == 3
    server.refusals.append((502, "bad gateway", {}))
    with pytest.raises(ServerUnavailable):
        client.retry(job.job_id)
    assert server.asked["POST /jobs/ID/retry"] == 1
    server.refusals.extend([(500, "broken", {})] * 4)
    with pytest.raises(ServerUnavailable, match="answered 500"):
        client.job(job.job_id)


def test_a_job_is_cancelled_with_a_reason_and_only_once(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(status="running")
    assert client.cancel(job.job_id, "too slow").reason == "too slow"
    with pytest.raises(Refused, match="is cancelled and cannot be cancelled") as refused:
        client.cancel(job.job_id)
    assert refused.value.status == 409


def test_a_retry_is_the_next_attempt(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(status="running")
    with pytest.raises(Refused, match="wait for its end before a retry"):
        client.retry(job.job_id)
    server.print_and_end(job)
    assert (client.retry(job.job_id).attempt, job.status) == (2, "queued")


def test_a_log_that_is_cut_goes_on_with_the_next_byte(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(log=BYTES, status="completed", success=True)
    server.cuts.extend(range(120))
    assert b"".join(client.log(job.job_id)) == BYTES.encode()
    assert server.asked["GET /jobs/ID/logs"] > 20


def test_a_log_is_of_the_attempt_that_is_named_or_was_the_latest(
    server: SmallCiServer, client: CiClient
) -> None:
    job = server.add(log="first", status="completed", success=True, attempt=2)
    job.logs.append("second")
    assert b"".join(client.log(job.job_id)) == b"second"
    assert b"".join(client.log(job.job_id, 1)) == b"first"


def test_an_empty_log_is_empty(server: SmallCiServer, client: CiClient) -> None:
    assert list(client.log(server.add().job_id)) == []


def test_artifacts_are_listed_and_fetched_below_the_folder(
    server: SmallCiServer, client: CiClient, tmp_path: Path
) -> None:
    job = server.add(artifacts={"junit.xml": b"<xml/>", "htmlcov/a b#1.html": b"\0\xff" * 100_000})
    for artifact in client.artifacts(job.job_id):
        place = client.download(job.job_id, artifact.path, tmp_path / "out")
        assert place == tmp_path / "out" / artifact.path
        assert place.read_bytes() == job.artifacts[artifact.path]
        assert place.stat().st_size == artifact.size


@pytest.mark.parametrize("path", ["../up", "/etc/cron.d/x", "a/../../up", "", "link/x", "a\\b"])
def test_an_artifact_that_does_not_belong_below_the_folder_is_refused(
    server: SmallCiServer, client: CiClient, tmp_path: Path, path: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    job = server.add(artifacts={path: b"bad"})
    with pytest.raises(StrangeAnswer, match="does not belong below"):
        client.download(job.job_id, path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["out", "link"]


def test_an_artifact_that_breaks_off_is_fetched_again_and_leaves_no_part(
    server: SmallCiServer, client: CiClient, tmp_path: Path
) -> None:
    job = server.add(artifacts={"a": b"whole"})
    server.refusals.extend([(503, "away", {})] * 4)
    with pytest.raises(ServerUnavailable):
        client.download(job.job_id, "a", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert client.download(job.job_id, "a", tmp_path).read_bytes() == b"whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_an_id_may_be_as_short_as_it_is_the_only_one(server: SmallCiServer, client: CiClient) -> None:
    first, second = "ab1" + "0" * 29, "ab2" + "0" * 29
    server.add(first)
    server.add(second)
    server.add("c" * 32, form={"branch": ["ab1"]})
    assert find_job(client, "ab1") == first
    assert find_job(client, "AB2") == second
    with pytest.raises(
        CiError, match=rf"More than one id begins with 'ab': {second}, {first}; type more of it"
    ):
        find_job(client, "ab")
    for nothing in ("d", "", "main"):
        with pytest.raises(CiError, match="`ci list` shows them"):
            find_job(client, nothing)
    assert find_job(client, "00000000-0000-0000-0000-00000000000F") == "0" * 31 + "f"


def test_an_answer_of_another_shape_is_told(server: SmallCiServer, client: CiClient) -> None:
    for ask in (lambda: client.job("a"), lambda: list(client.jobs()), lambda: client.artifacts("a")):
        server.refusals.append((200, {"what": "else"}, {}))
        with pytest.raises(StrangeAnswer, match="is none of a CI server's"):
            ask()


async def test_the_newest_job_of_a_branch_is_told_asynchronously(server: SmallCiServer) -> None:
    for branch in ("main", "main-2", "other"):
        server.add(form={"branch": [branch], "command": ["main"]})
    client = AsyncCiClient(server.url, KEY)
    newest = await client.newest_job("main")
    assert isinstance(newest, Job)
    assert newest.branch == "main"
    assert await client.newest_job("none") is None
    server.refusals.append((404, {"status": 404, "detail": "Not here."}, {}))
    with pytest.raises(NotFound, match="Not here"):
        await client.newest_job("main")
    await client.close()
