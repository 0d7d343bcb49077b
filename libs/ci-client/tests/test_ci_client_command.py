"""The command `ci`: what it sends, prints and exits with, where no terminal is."""

import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest
from ci_small_server import KEY, SmallCiServer
from typer.testing import CliRunner, Result

from ci_client.cli import main
from ci_client.commands.values import memory_bytes, shell_line
from ci_client.settings import connection

pytestmark = pytest.mark.usefixtures("settings")
TEXT = "übung ✓\r\n\x1b[31mred\x1b[0m\x00\u2028 no line break"
REFUSED = {"status": 422, "detail": "There is no tests/ in the zip."}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("def test_it(): pass\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(("success", "code"), [(True, 0), (False, 1)])
def test_submit_prints_the_log_as_it_is_and_exits_as_the_tests(
    server: SmallCiServer, success: bool, code: int
) -> None:
    server.on_submit = lambda job: server.print_and_end(job, TEXT, success=success)
    done = run("submit", "test")
    [job] = server.jobs.values()
    assert (done.exit_code, done.stdout_bytes) == (code, TEXT.encode())
    said = "Passed." if success else "Failed (exit code 1)."
    assert done.stderr.splitlines() == [f"Job {job.job_id}", said]
    assert ZipFile(io.BytesIO(job.zip)).namelist() == ["tests/test_it.py"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("failed", "Not run to its end: It took more than its 5 s."),
        ("cancelled", "Cancelled: It took more than its 5 s."),
    ],
)
def test_a_job_that_did_not_run_to_its_end_exits_with_1_and_says_why(
    server: SmallCiServer, status: str, said: str
) -> None:
    ending = {"status": status, "success": False, "reason": "It took more than its 5 s."}
    server.on_submit = lambda job: server.change(job, **ending)
    done = run("submit", "test")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == said


def test_every_field_of_the_form_has_an_option(
    server: SmallCiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret=x")
    options = (
        *(
            "--image",
            "python:3.13",
            "--timeout",
            "60",
            "--memory",
            "1.5g",
            "--cpus",
            "0.5",
            "--priority",
            "-3",
        ),
        *("--network", "--webhook", "https://example.com/hook", "--branch", "b", "--commit", "c"),
        *("--env", "A=1=2", "--env", "B=", "--secret", "TOKEN", "--secret", "S=\u00fc"),
        *("--artifacts", "*.log", "--artifacts", "out/**"),
    )
    done = run("submit", "test", "--async", *options, "--", "pytest", "-k", "a b")
    [job] = server.jobs.values()
    assert (done.exit_code, done.stdout) == (0, f"{job.job_id}\n")
    assert job.form == {
        "command": ["pytest -k 'a b'"],
        "image": ["python:3.13"],
        "timeout": ["60"],
        "memory": [str(1536 * 1024**2)],
        "cpus": ["0.5"],
        "priority": ["-3"],
        "network": ["true"],
        "webhook": ["https://example.com/hook"],
        "branch": ["b"],
        "commit": ["c"],
        "artifacts": ["*.log", "out/**"],
        "env": ["A=1=2", "B="],
        "secrets": ["TOKEN=s3cret=x", "S=\u00fc"],
    }


def test_what_is_not_given_is_left_to_the_server(server: SmallCiServer) -> None:
    run("submit", "test", "--async")
    assert [job.form for job in server.jobs.values()] == [{}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "build"], "there is only `test` to submit, not 'build'; a command comes after `--`"),
        (["submit", "test", "--memory", "much"], "'much' is no size; write it as 512m or 2g"),
        (["submit", "test", "--env", "A"], "write NAME=value"),
        (["submit", "test", "--secret", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not in the environment"),
        (
            ["submit", "test", "--path", "none"],
            "There is no folder none; name that of the project with --path.",
        ),
        (["wait"], "name a job, or --all of yours"),
        (["wait", "abc"], "No job of yours has an id that begins with 'abc'; `ci list` shows them."),
        (["logs", "abc", "--attempt", "1", "--follow"], "an earlier attempt prints nothing more"),
    ],
    ids=["what", "memory", "env", "secret", "path", "which", "id", "follow"],
)
def test_what_cannot_be_done_exits_with_2_and_says_what_to_do(arguments: Sequence[str], said: str) -> None:
    done = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(main, arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_value_that_may_be_a_secret_is_not_repeated() -> None:
    done = run("submit", "test", "--secret", "sk-verysecret")
    assert done.exit_code == 2
    assert "verysecret" not in done.stderr


def test_a_project_that_is_refused_exits_with_2(server: SmallCiServer) -> None:
    server.refusals.append((422, REFUSED, {}))
    done = run("submit", "test")
    assert (done.exit_code, done.stderr) == (2, "Error: There is no tests/ in the zip.\n")


def test_a_server_that_does_not_tell_exits_with_3(server: SmallCiServer) -> None:
    server.refusals.append((200, "<html>hello</html>", {}))
    done = run("list")
    assert done.exit_code == 3
    assert done.stderr.startswith("Error: What 127.0.0.1 answered to /jobs is none of a CI server's;")


def test_a_submission_that_has_to_wait_is_sent_whole(server: SmallCiServer) -> None:
    server.refusals.append((429, {"status": 429, "detail": "Too many."}, {"Retry-After": "1"}))
    server.on_submit = server.print_and_end
    done = run("submit", "test")
    assert done.exit_code == 0
    assert "wants to be left for 1 s: Too many. Connecting again in 1.0 s." in done.stderr
    [job] = server.jobs.values()
    assert ZipFile(io.BytesIO(job.zip)).namelist() == ["tests/test_it.py"]


def test_files_that_are_left_out_are_told(server: SmallCiServer, project: Path) -> None:
    server.on_submit = server.print_and_end
    for number in range(12):
        (project / f"link-{number:02}").symlink_to("nowhere")
    done = run("submit", "test")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert warnings[0] == "Warning: link-00 is left out: it is a link that leads nowhere."
    assert warnings[-1] == "Warning: and 2 more such."
    assert len(warnings) == 11


@pytest.mark.parametrize(("options", "seen"), [([], b""), (["--all"], b"before")], ids=["now", "all"])
def test_waiting_for_a_job_shows_its_log_from_now_on_or_all_of_it(
    server: SmallCiServer, options: list[str], seen: bytes
) -> None:
    job = server.add(log="before", status="completed", success=False)
    done = run("wait", job.job_id[:10], *options)
    assert (done.exit_code, done.stdout_bytes) == (1, seen)


def test_waiting_for_all_jobs_waits_for_each_that_has_not_ended(server: SmallCiServer) -> None:
    jobs = [server.add(status=status) for status in ("running", "queued", "completed")]
    server.add(status="completed", success=False)

    def end() -> None:
        for count, job in enumerate(jobs[:2], start=1):
            server.wait_for(lambda count=count: server.streaming == count)
            server.print_and_end(job, "not shown", success=True)

    ending = threading.Thread(target=end)
    ending.start()
    done = run("wait", "--all")
    ending.join(30)
    assert (done.exit_code, done.stdout) == (0, "")
    assert [line for line in done.stderr.splitlines() if line == "Passed."] == ["Passed."] * 2
    assert run("wait", "--all").stderr == "No job of yours is queued or running.\n"


def test_a_list_has_a_line_for_each_job_newest_first(server: SmallCiServer) -> None:
    form = {"branch": ["main"], "commit": ["c" * 40], "command": ["pytest\t-x"]}
    done = server.add(status="completed", success=True, form=form)
    lost = server.add(status="failed", success=False)
    submitted = "2026-01-02T03:04:05+00:00"
    assert run("list").stdout.splitlines() == [
        f"{lost.job_id}\tnot run\t-\t-\t{submitted}\t-",
        f"{done.job_id}\tpassed\tmain\t{'c' * 40}\t{submitted}\tpytest -x",
    ]
    assert run("list", "main", "--passed", "--limit", "1").stdout.startswith(done.job_id)
    assert run("list", "--status", "failed").stdout.startswith(lost.job_id)
    told = json.loads(run("list", "--json").stdout)
    assert [job["job_id"] for job in told] == [lost.job_id, done.job_id]
    assert told[1]["branch"] == "main"


def test_a_list_ends_with_its_limit(server: SmallCiServer) -> None:
    for _ in range(250):
        server.add()
    assert len(run("list").stdout.splitlines()) == 20
    assert len(run("list", "--limit", "230").stdout.splitlines()) == 230


def test_a_job_is_cancelled_by_the_beginning_of_its_id(server: SmallCiServer) -> None:
    job = server.add(status="running")
    done = run("cancel", job.job_id[:6], "--why", "wrong branch")
    assert (done.exit_code, done.stderr) == (0, f"The job {job.job_id} is cancelled.\n")
    assert (job.status, job.reason) == ("cancelled", "wrong branch")
    assert run("cancel", job.job_id).exit_code == 2


def test_a_retry_is_followed_or_left(server: SmallCiServer) -> None:
    job = server.add(log="first", status="completed", success=False)
    server.on_submit = lambda job: server.print_and_end(job, "second")
    done = run("retry", job.job_id)
    assert (done.exit_code, done.stdout_bytes) == (0, b"second")
    assert run("retry", job.job_id, "--async").stdout == f"{job.job_id}\n"
    assert job.attempt == 3


def test_logs_are_printed_as_they_are(server: SmallCiServer) -> None:
    job = server.add(log=TEXT, status="completed", success=False, attempt=2)
    job.logs.append("second")
    assert run("logs", job.job_id, "--attempt", "1").stdout_bytes == TEXT.encode()
    followed = run("logs", job.job_id, "--follow")
    assert (followed.exit_code, followed.stdout_bytes) == (0, b"second")


def test_artifacts_are_listed_and_fetched(server: SmallCiServer, tmp_path: Path) -> None:
    job = server.add(artifacts={"junit.xml": b"<xml/>", "../bad": b"bad", "out/a.txt": b"a"})
    listed = run("artifacts", job.job_id)
    assert listed.stdout.splitlines()[0] == "junit.xml\t6\ttext/plain"
    assert json.loads(run("artifacts", job.job_id, "--json").stdout)[2]["path"] == "out/a.txt"
    done = run("artifacts", job.job_id, "--download", "got/them")
    assert done.exit_code == 3
    assert "'../bad' does not belong below" in done.stderr
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert fetched == {"junit.xml": b"<xml/>", "a.txt": b"a"}


def test_the_key_is_not_shown(server: SmallCiServer) -> None:
    done = run("config")
    assert done.stdout.splitlines() == [
        f"server  {server.url}  (from the environment)",
        "key     fleet_tests_***  (from the environment)",
    ]
    assert KEY not in repr(connection())


def test_a_command_of_one_word_is_a_shell_line() -> None:
    assert shell_line(["pytest | tee log"]) == "pytest | tee log"
    assert shell_line(["python", "-c", "print('a b')"]) == """python -c 'print('"'"'a b'"'"')'"""
    assert shell_line([]) is None


@pytest.mark.parametrize(
    ("text", "size"), [("1073741824", 1024**3), ("512m", 512 * 1024**2), ("2G", 2 * 1024**3), ("1 KiB", 1024)]
)
def test_memory_is_told_in_bytes_or_with_a_unit(text: str, size: int) -> None:
    assert memory_bytes(text) == size
