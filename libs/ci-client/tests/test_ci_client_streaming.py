"""Following a job: every event once, whatever becomes of the connection."""

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ci_small_server import KEY, SmallCiServer, Waits

from ci_client import (
    CiClient,
    NotAllowed,
    NotFound,
    Refused,
    ServerUnavailable,
    StrangeAnswer,
    StreamLost,
    Submission,
    SubmissionUncertain,
    TooManyRequests,
    submit_tests_streaming,
)
from ci_client.event_stream import LONG_SECONDS, TRIES, EventStream
from ci_client.transport import Transport

TEXT = "collecting ...\ntests/test_übung.py ✓✓\r\n\u2028\x85 weird \x0c\x1b[32m1 passed\x1b[0m\n" * 3
PROBLEM = {"status": 503, "title": "Away", "detail": "The database is away."}


def log_of(events: Sequence[dict[str, Any]]) -> str:
    return "".join(event["data"] for event in events if event["type"] == "log")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    zipped = tmp_path / "project.zip"
    zipped.write_bytes(b"PK" + bytes(300_000))
    return zipped


@pytest.fixture
def ends_at_once(server: SmallCiServer) -> None:
    server.on_submit = lambda job: server.print_and_end(job, TEXT)


def test_a_submission_streams_its_job_from_the_id_to_the_end(
    server: SmallCiServer, client: CiClient, project: Path, ends_at_once: None
) -> None:
    events = list(client.submit_streaming(project, Submission(command="pytest -x")))
    [job] = server.jobs.values()
    assert events[0] == {"type": "job_id", "job_id": job.job_id}
    assert events[-1]["type"] == "complete"
    assert events[-1]["success"] is True
    assert log_of(events) == TEXT
    assert job.zip == project.read_bytes()
    assert job.form == {"command": ["pytest -x"]}


def test_places_in_the_queue_are_told_as_they_change(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(position=2)
    stream = iter(client.stream(job.job_id))
    assert next(stream) == {"type": "queued", "position": 2}
    server.change(job, position=1)
    assert next(stream) == {"type": "queued", "position": 1}
    server.print_and_end(job, "x", success=False)
    assert next(stream) == {"type": "log", "data": "x"}
    assert next(stream)["success"] is False
    assert list(stream) == []


def test_a_stream_that_is_cut_at_any_byte_goes_on_with_the_next_one(
    server: SmallCiServer, client: CiClient, waits: Waits
) -> None:
    job = server.add(log=TEXT * 40, status="completed", success=True)
    # Every other one is long enough for an event, so that there are tries left.
    server.cuts.extend(cut for length in range(220) for cut in (length, 150))
    events = list(client.stream(job.job_id))
    assert log_of(events) == TEXT * 40
    assert [event["type"] for event in events].count("complete") == 1
    assert len(waits) == server.asked["GET /jobs/ID/stream"] - 1 == 440


def test_a_submission_whose_stream_is_cut_is_followed_and_not_submitted_again(
    server: SmallCiServer, client: CiClient, project: Path, ends_at_once: None
) -> None:
    server.cuts.extend([120, 300])
    assert log_of(list(client.submit_streaming(project, Submission()))) == TEXT
    assert server.asked == {"POST /submit-stream": 1, "GET /jobs/ID/stream": 2}


def test_a_submission_that_breaks_off_before_its_id_is_not_repeated(
    server: SmallCiServer, client: CiClient, project: Path
) -> None:
    server.drop_answers_to_submissions = 2
    with pytest.raises(SubmissionUncertain, match=r"Whether it has the job is not known: see `ci list`"):
        list(client.submit_streaming(project, Submission()))
    with pytest.raises(SubmissionUncertain):
        client.submit(project, Submission())
    assert len(server.jobs) == 2


@pytest.mark.parametrize("streaming", [True, False])
def test_a_submission_that_was_surely_not_taken_is_repeated_whole(
    server: SmallCiServer, client: CiClient, project: Path, ends_at_once: None, waits: Waits, streaming: bool
) -> None:
    server.refusals.append((503, PROBLEM, {}))
    server.refusals.append((429, {"status": 429, "detail": "Too many."}, {"Retry-After": "7"}))
    sent = list[int]()
    if streaming:
        list(client.submit_streaming(project, Submission(), sent.append))
    else:
        client.submit(project, Submission(), sent.append)
    [job] = server.jobs.values()
    assert job.zip == project.read_bytes()
    assert waits[1] == 7
    assert sum(sent) == project.stat().st_size


def test_a_server_that_answers_a_gateway_error_to_a_submission_is_not_asked_again(
    server: SmallCiServer, client: CiClient, project: Path
) -> None:
    server.refusals.append((502, "bad gateway", {}))
    with pytest.raises(SubmissionUncertain, match="answered 502"):
        client.submit(project, Submission())
    assert server.asked == {"POST /submit-async": 1}


def test_following_is_given_up_after_tries_in_vain_that_are_ever_further_apart(
    server: SmallCiServer, client: CiClient, waits: Waits
) -> None:
    job = server.add(status="running")
    server.cuts.extend([0] * 100)
    with pytest.raises(StreamLost, match=rf"The job {job.job_id} goes on: `ci wait {job.job_id}`") as lost:
        list(client.stream(job.job_id))
    assert lost.value.job_id == job.job_id
    assert len(waits) == TRIES - 1
    assert all(0.125 * 2**n <= pause <= 0.25 * 2**n for n, pause in enumerate(waits[:7]))
    assert max(waits) <= 30


def test_what_arrives_renews_the_tries(server: SmallCiServer, client: CiClient, waits: Waits) -> None:
    job = server.add(log="abcdefg" * 3 * TRIES, status="completed", success=True)
    server.cuts.extend([70] * 3 * TRIES)
    assert len(log_of(list(client.stream(job.job_id)))) == 21 * TRIES
    assert len(waits) > 2 * TRIES
    assert max(waits) < 1


def test_a_connection_that_lives_long_without_a_word_renews_the_tries(
    server: SmallCiServer, waits: Waits
) -> None:
    job = server.add(status="completed", success=True)
    server.cuts.extend([0] * 3 * TRIES)
    now = iter(float(second) for second in range(0, 10**6, int(LONG_SECONDS)))
    stream = EventStream(Transport(server.url, KEY, sleep=waits), job.job_id, clock=lambda: next(now))
    assert [event["type"] for event in stream] == ["complete"]
    assert len(waits) == 3 * TRIES


def test_a_pause_is_told_with_its_reason(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(status="completed", success=True)
    server.refusals.append((503, PROBLEM, {"Retry-After": "3"}))
    told = list[tuple[str, float]]()
    list(client.stream(job.job_id, on_pause=lambda error, seconds: told.append((str(error), seconds))))
    [(why, seconds)] = told
    assert seconds == 3
    assert why == (
        f"The CI server at {server.url} answered 503 (The database is away.); try again later, and if that "
        "does not help look at its log."
    )


def test_iterating_again_after_a_break_goes_on(server: SmallCiServer, client: CiClient) -> None:
    job = server.add(log=TEXT, status="completed", success=True)
    stream = client.stream(job.job_id)
    first = next(iter(stream))
    assert first["data"] + log_of(list(stream)) == TEXT


@pytest.mark.parametrize(("from_beginning", "seen"), [(True, "before after"), (False, " after")])
def test_a_running_job_is_followed_from_its_beginning_or_from_now_on(
    server: SmallCiServer, client: CiClient, from_beginning: bool, seen: str
) -> None:
    job = server.add(log="before", status="running")
    stream = client.stream(job.job_id, from_beginning=from_beginning)
    events = list[dict[str, Any]]()
    reader = threading.Thread(target=lambda: events.extend(stream))
    reader.start()
    server.wait_for(lambda: server.streaming == 1)
    server.print_and_end(job, " after")
    reader.join(30)
    assert log_of(events) == seen


def test_an_event_that_has_an_earlier_attempt_is_followed_to_the_end_of_that(
    server: SmallCiServer, client: CiClient
) -> None:
    job = server.add(log="first", status="completed", success=True)
    job.logs.append("second")
    job.attempt = 2
    assert log_of(list(client.stream(job.job_id))) == "second"
    assert log_of(list(client.stream(job.job_id, last_event_id="2"))) == "rst"


@pytest.mark.parametrize(
    ("status", "told", "kind", "text"),
    [
        (401, {"status": 401, "detail": "It is not known."}, NotAllowed, "It is not known. Set CI_API_KEY"),
        (403, {"status": 403, "detail": "It may only read."}, NotAllowed, "It may only read."),
        (413, {"status": 413, "detail": "A zip has 100 MB at most."}, Refused, "A zip has 100 MB at most."),
        (
            422,
            {
                "status": 422,
                "detail": "One value.",
                "errors": [{"path": "/body/cpus", "reason": "too small"}],
            },
            Refused,
            "One value.\n  /body/cpus: too small",
        ),
        (
            429,
            {"status": 429, "detail": "Tomorrow."},
            TooManyRequests,
            "wants to be left for 5000 s: Tomorrow.",
        ),
        (404, "<html>nothing</html>", StrangeAnswer, "(404) is none of a CI server's; check CI_SERVER_URL."),
        (308, "", StrangeAnswer, "(308, a redirect to https://ci.example.com/)"),
    ],
    ids=["unknown-key", "scope", "too-large", "not-valid", "too-often", "no-ci-server", "redirect"],
)
def test_what_the_server_refuses_is_told_with_its_reasons(
    server: SmallCiServer, client: CiClient, project: Path, status: int, told: Any, kind: type, text: str
) -> None:
    headers = {"Retry-After": "5000"} if status == 429 else {"Location": "https://ci.example.com/"}
    for submit in (client.submit, client.submit_streaming):
        server.refusals.append((status, told, headers))
        with pytest.raises(kind) as refused:
            list(submit(project, Submission()))
        assert text in str(refused.value)
    assert sum(server.asked.values()) == 2
    assert not server.jobs


def test_a_job_of_nobody_is_not_found(client: CiClient) -> None:
    with pytest.raises(NotFound, match=r"There is no job 'abc' of yours\."):
        list(client.stream("abc"))


def test_an_answer_that_is_no_stream_is_told(server: SmallCiServer, client: CiClient) -> None:
    server.refusals.append((200, {"fine": True}, {}))
    with pytest.raises(StrangeAnswer, match="is no stream of events; check CI_SERVER_URL"):
        list(client.stream(server.add().job_id))


def test_a_server_that_is_not_there_is_told_with_what_to_check(project: Path, waits: Waits) -> None:
    with SmallCiServer() as gone:
        pass
    with CiClient(gone.url, KEY, sleep=waits) as client:
        for ask in (
            lambda: client.submit(project, Submission()),
            lambda: list(client.submit_streaming(project, Submission())),
            lambda: client.job("abc"),
        ):
            with pytest.raises(
                ServerUnavailable, match=r"cannot be reached \(ConnectError\); check that it runs"
            ):
                ask()


def test_the_key_is_in_no_text_and_goes_to_no_other_host(server: SmallCiServer, client: CiClient) -> None:
    for _ in range(3):
        server.add()
    list(client.jobs(page=1))
    assert all(headers["x-api-key"] == KEY for _, headers in server.requests)
    assert len(server.requests) == 3
    with CiClient(server.url, "wrong_key_s3cret") as other, pytest.raises(NotAllowed) as refused:
        other.job("abc")
    assert "s3cret" not in str(refused.value)


def test_the_function_submits_a_folder_and_yields_the_events(
    server: SmallCiServer, tmp_path: Path, ends_at_once: None
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("def test_it(): pass\n")
    events = list(
        submit_tests_streaming(
            tmp_path, server_url=server.url, api_key=KEY, cpus=2, env={"A": "1"}, commit="c"
        )
    )
    [job] = server.jobs.values()
    assert log_of(events) == TEXT
    assert job.form == {"cpus": ["2"], "commit": ["c"], "env": ["A=1"]}


def test_the_zip_is_removed_as_soon_as_the_server_has_it(
    server: SmallCiServer,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    (tmp_path / "it.py").write_text("")
    stream = submit_tests_streaming(tmp_path, server_url=server.url, api_key=KEY)
    assert next(stream)["type"] == "job_id"
    assert list(place.iterdir()) == []
    [job] = server.jobs.values()
    server.print_and_end(job)
    assert [event["type"] for event in stream][-1] == "complete"
