"""Each field of a submission is taken within its limits, and named where it is not."""

import pytest

from ci_server.domain.job import JobSpec
from ci_server.intake.form import LARGEST_SECRETS, MOST_GLOBS, MOST_SECRETS, submission_of
from problem_details import Problem

ALL_FIELDS = (
    "file, command, image, timeout, memory, cpus, priority, network, webhook, artifacts, branch, commit, "
    "env, secrets"
)


def _spec(*values: tuple[str, str]) -> JobSpec:
    return submission_of(values).spec


def _faults(*values: tuple[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as caught:
        submission_of(values)
    assert (caught.value.status, caught.value.slug) == (422, "request-not-valid")
    return [(fault.path, fault.reason) for fault in caught.value.errors]


def test_without_fields_a_job_is_as_usual() -> None:
    submission = submission_of([])
    assert (submission.spec, submission.secrets) == (JobSpec(), {})


def test_all_fields_are_taken() -> None:
    submission = submission_of(
        [
            ("command", "make test\nmake more"),
            ("image", "ghcr.io/a/b:1.2@sha256:0f"),
            ("timeout", "60"),
            ("memory", "512M"),
            ("cpus", "0.5"),
            ("priority", "-3"),
            ("network", "true"),
            ("webhook", "https://host:8080/hook/?a=b"),
            ("artifacts", "reports/*.xml"),
            ("artifacts", "**/*.log"),
            ("branch", "feature/größe"),
            ("commit", "0123abc"),
            ("env", "A=1=2"),
            ("env", "_B="),
            ("secrets", "TOKEN=two\nlines"),
        ]
    )
    assert submission.spec == JobSpec(
        command="make test\nmake more",
        image="ghcr.io/a/b:1.2@sha256:0f",
        timeout=60,
        memory=512 * 1024**2,
        cpus=0.5,
        priority=-3,
        network=True,
        webhook="https://host:8080/hook/?a=b",
        artifacts=("reports/*.xml", "**/*.log"),
        branch="feature/größe",
        commit="0123abc",
        env={"A": "1=2", "_B": ""},
    )
    assert submission.secrets == {"TOKEN": "two\nlines"}


def test_what_is_empty_is_not_there() -> None:
    assert _spec(("command", " "), ("timeout", ""), ("artifacts", ""), ("env", "")) == JobSpec()


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("timeout", ["1", "86400"], ["0", "86401", "-1", "1.5", "soon"]),
        ("cpus", ["0.1", "256", "2"], ["0.09", "256.1", "nan", "inf", "-1", "many"]),
        ("priority", ["-100", "100"], ["-101", "101", "high"]),
        ("network", ["true", "false", "1", "0"], ["maybe"]),
        (
            "memory",
            ["16M", "16777216", "1T", "1TiB", "1g", "100mb", "16384K", "20000000B"],
            ["16777215", "15M", "1025G", "2T", "1.5G", "-1", "lots", "1P", "9" * 16, "\uff11\uff16M"],
        ),
        (
            "image",
            ["python", "a" * 500, "localhost:5000/a_b/c-d:e.f"],
            ["-rm", "a b", "a" * 501, "a\n", ":x"],
        ),
        (
            "webhook",
            ["http://localhost", "https://h/" + "x" * 2038],
            [
                "ftp://host/",
                "host/path",
                "https://",
                "https://h:99999/",
                "https://h/ x",
                "https://h/\n",
                "https://user:word@h/",
                "https://user@h/",
                "https://[::/",
                "https://h/" + "x" * 2039,
            ],
        ),
        ("artifacts", ["*", "a/..b/c..", "x" * 1024], ["/etc/passwd", "../x", "a/../b", "a\tb", "x" * 1025]),
        ("branch", ["x" * 255], ["x" * 256, "a\nb", "a\x7fb"]),
        ("commit", ["x" * 255], ["x" * 256, "a\x1bb"]),
        ("env", ["A=", "a_1=x"], ["A", "=x", "1A=x", "A B=x", "A-B=x", "Ä=x"]),
        ("secrets", ["A=", "a_1=x"], ["A", "=x", "1A=x", "A B=x", "A-B=x", "Ä=x"]),
    ],
)
def test_values_have_limits_on_both_sides(field: str, good: list[str], bad: list[str]) -> None:
    for value in good:
        submission_of([(field, value)])
    for value in bad:
        ((path, _),) = _faults((field, value))
        assert path.startswith(f"/body/{field}"), value


@pytest.mark.parametrize(("field", "most"), [("artifacts", MOST_GLOBS), ("secrets", MOST_SECRETS)])
def test_repeated_fields_have_limits_on_both_sides(field: str, most: int) -> None:
    submission_of([(field, f"A{number}=x") for number in range(most)])
    ((path, reason),) = _faults(*[(field, f"A{number}=x") for number in range(most + 1)])
    assert path == f"/body/{field}"
    assert str(most) in reason


def test_secrets_have_a_limit_together_on_both_sides() -> None:
    half = "x" * (LARGEST_SECRETS // 2)
    submission_of([("secrets", f"A={half}"), ("secrets", f"B={half}")])
    ((path, reason),) = _faults(("secrets", f"A={half}"), ("secrets", f"B={half}x"))
    assert (path, "65,536" in reason) == ("/body", True)


def test_a_name_stands_once_among_env_and_secrets() -> None:
    assert "A stands more than once" in _faults(("env", "A=1"), ("env", "A=2"))[0][1]
    assert "A stands more than once" in _faults(("env", "A=1"), ("secrets", "A=2"))[0][1]


@pytest.mark.parametrize("field", ["command", "env", "secrets", "branch", "artifacts"])
def test_nul_is_refused(field: str) -> None:
    assert _faults((field, "A=\0")) == [(f"/body/{field}", "A value must not hold U+0000")]


def test_all_faults_are_told() -> None:
    assert [
        path for path, _ in _faults(("timeout", "0"), ("env", "A=1"), ("env", "oh no"), ("cpus", "0"))
    ] == [
        "/body/timeout",
        "/body/cpus",
        "/body/env/1",
    ]
    assert _faults(("branch", "a"), ("branch", "b"), ("wrong", "c")) == [
        ("/body/branch", "The field stands there more than once"),
        ("/body/wrong", f"There is no such field; the fields are {ALL_FIELDS}"),
    ]


def test_no_fault_and_no_text_of_a_submission_tells_a_secret() -> None:
    bad = [("secrets", "MY-TOKEN=hunter2"), ("secrets", "hunter2"), ("secrets", "A=hunter2\0")]
    for value in bad:
        with pytest.raises(Problem) as caught:
            submission_of([value])
        assert "hunter2" not in f"{caught.value!r}{caught.value.errors!r}{caught.value.__context__!r}"
    assert "hunter2" not in repr(submission_of([("secrets", "A=hunter2")]))
