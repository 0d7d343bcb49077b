from pathlib import Path

from ci_server.runners.run_marks import RunMarks


def test_a_run_is_told_from_its_mark_to_the_removal_of_that(tmp_path: Path) -> None:
    marks = RunMarks(tmp_path / "marks", "here")
    assert marks.names() == []
    marks.add("b-1")
    marks.add("a-2")
    assert marks.names() == ["a-2", "b-1"]
    marks.remove("b-1")
    marks.remove("b-1")
    assert marks.names() == ["a-2"]


def test_runs_of_others_are_not_told_but_those_of_nobody_are(tmp_path: Path) -> None:
    RunMarks(tmp_path, "there").add("a-1")
    RunMarks(tmp_path, "").add("b-1")
    assert RunMarks(tmp_path, "here").names() == ["b-1"]


def test_a_mark_that_another_process_removes_meanwhile_is_none(tmp_path: Path) -> None:
    RunMarks(tmp_path, "here").add("a-1")
    (tmp_path / "b-1").symlink_to(tmp_path / "removed")
    assert RunMarks(tmp_path, "here").names() == ["a-1"]
