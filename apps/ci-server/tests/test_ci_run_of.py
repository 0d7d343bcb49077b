"""What of a job reaches its run, and what its end is called."""

import json
from pathlib import Path

import pytest

from ci_server.domain.course import Exit
from ci_server.domain.job import Attempt, Job, JobSpec, Status
from ci_server.running.run_of import globs_of, run_of
from ci_server.running.runner import CannotRun, Run
from ci_server.running.stop_note import Stopped, exit_after, note_stop, noted_stop
from ci_server.storage.job_files import JobFiles


def _run(folder: Path, spec: JobSpec, **secrets: str) -> Run:
    files = JobFiles(folder)
    files.job("j").mkdir(parents=True)
    files.project("j").touch()
    if secrets:
        files.secrets("j").write_text(json.dumps(secrets))
    return run_of(Job("j", "ada", spec, Attempt(2, Status.RUNNING)), files)


def test_a_run_has_the_files_of_its_attempt(tmp_path: Path) -> None:
    run = _run(tmp_path, JobSpec())
    assert (run.name, run.project) == ("j-2", tmp_path / "jobs" / "j" / "project.zip")
    assert run.folder == tmp_path / "jobs" / "j" / "attempts" / "2"


@pytest.mark.parametrize(("given", "used"), [(None, "python -m pytest"), ("make test", "make test")])
def test_a_run_without_a_command_is_pytest(tmp_path: Path, given: str | None, used: str) -> None:
    assert _run(tmp_path, JobSpec(command=given)).command == used


def test_pytest_is_told_where_to_write_its_results_after_what_the_submitter_tells_it(tmp_path: Path) -> None:
    run = _run(tmp_path, JobSpec(env={"PYTEST_ADDOPTS": "-x"}))
    assert run.environment == {"PYTEST_ADDOPTS": "-x --junitxml=junit.xml", "PYTHONUNBUFFERED": "1"}


def test_secrets_are_in_the_environment_and_not_in_what_is_shown_of_a_run(tmp_path: Path) -> None:
    run = _run(tmp_path, JobSpec(env={"A": "b"}), WORD="sesame")
    assert (run.environment["A"], run.environment["WORD"]) == ("b", "sesame")
    assert "sesame" not in repr(run)


def test_what_a_submitter_wants_to_keep_is_kept_beside_what_always_is(tmp_path: Path) -> None:
    run = _run(tmp_path, JobSpec(artifacts=("out/*", "junit.xml")))
    assert globs_of(run) == ("junit.xml", "coverage.xml", ".coverage", "htmlcov/**", "out/*")


def test_a_run_without_its_zip_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="submit it again"):
        run_of(Job("j", "ada", JobSpec(), Attempt(1, Status.RUNNING)), JobFiles(tmp_path))


@pytest.mark.parametrize(
    ("exit_", "stopped", "then"),
    [
        (Exit(0), None, Exit(0)),
        (Exit(143), "cancelled", Exit(143, "cancelled")),
        (Exit(0), "timeout", Exit(0, "timeout")),
        (Exit(143, "cancelled"), "timeout", Exit(143, "timeout")),
        (Exit(None, "lost"), "cancelled", Exit(None, "cancelled")),
        (Exit(137, "memory"), "cancelled", Exit(137, "memory")),
        (Exit(143, "cancelled"), None, Exit(143, "lost")),
        (Exit(None, "lost"), None, Exit(None, "lost")),
    ],
    ids=["passed", "cancelled", "late", "stopped late", "gone", "too large", "by somebody", "lost"],
)
def test_the_end_of_a_run_is_called_by_what_it_was_stopped_for(
    exit_: Exit, stopped: Stopped | None, then: Exit
) -> None:
    assert exit_after(exit_, stopped) == then


def test_what_a_run_is_stopped_for_outlives_who_stops_it(tmp_path: Path) -> None:
    assert noted_stop(tmp_path) is None
    note_stop(tmp_path, "timeout")
    assert noted_stop(tmp_path) == "timeout"
    (tmp_path / "stopping").write_text("")
    assert noted_stop(tmp_path) is None, "a note that a full disk cut short"
