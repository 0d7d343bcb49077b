"""What a JUnit XML file says, and that a hostile one says nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_server.domain.job import Results
from ci_server.domain.results import LARGEST_XML, results_of

SUITE = '<testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10" time="1.5">{}</testsuite>'
MOST = 2**31 - 1


def _of(text: str) -> Results | None:
    return results_of(text.encode())


@pytest.mark.parametrize(
    ("text", "results"),
    [
        (SUITE, Results(4, 2, 3, 1, 1.5)),
        (f"<testsuites>{SUITE}</testsuites>", Results(4, 2, 3, 1, 1.5)),
        (f"<testsuites>{SUITE}{SUITE}</testsuites>", Results(8, 4, 6, 2, 3.0)),
        (
            f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>{SUITE}</testsuites>',
            Results(4, 2, 3, 1, 1.5),
        ),
        ("<testsuites/>", Results(0, 0, 0, 0, 0)),
        ("<testsuite/>", Results(0, 0, 0, 0, 0)),
        ('<testsuite tests="3"/>', Results(3, 0, 0, 0, 0)),
        ('<testsuite tests="3" time="soon" failures=""/>', Results(3, 0, 0, 0, 0)),
        ('<testsuite tests="3" time="-1" failures="-2"/>', Results(3, 0, 0, 0, 0)),
        ('<testsuite tests="3" time="nan" failures="inf"/>', Results(3, 0, 0, 0, 0)),
        ('<testsuite tests="1" failures="2"/>', Results(0, 2, 0, 0, 0)),
        ('<testsuite tests="1e300" time="1e300" skipped="1e300"/>', Results(0, 0, MOST, 0, float(MOST))),
        (
            '<testsuite tests="2"><testsuite tests="9"/><testcase name="a"/></testsuite>',
            Results(2, 0, 0, 0, 0),
        ),
        (
            '<testsuites><x><testsuite tests="9"/></x><testsuite tests="1"/></testsuites>',
            Results(1, 0, 0, 0, 0),
        ),
    ],
)
def test_the_suites_are_summed(text: str, results: Results) -> None:
    assert _of(text) == results


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not XML",
        "<html/>",
        "<html><testsuite tests='1'/></html>",
        SUITE[:-5],
        SUITE + SUITE,
        "<testsuite tests='&undefined;'/>",
        "<!DOCTYPE testsuite><testsuite tests='1'/>",
        '<!DOCTYPE t [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><testsuite tests="&b;"/>',
        '<!DOCTYPE t SYSTEM "http://127.0.0.1:9/x.dtd"><testsuite tests="1"/>',
        '<?xml version="1.0" encoding="klingon"?><testsuite/>',
    ],
)
def test_what_is_no_report_says_nothing(text: str) -> None:
    assert _of(text) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str) -> None:
    assert results_of("<testsuite tests='1'/>".encode(encoding)) == Results(1, 0, 0, 0, 0)
    assert results_of("<!DOCTYPE t><testsuite tests='1'/>".encode(encoding)) is None


def test_a_report_has_a_bound() -> None:
    report = b"<testsuite tests='1'/>"
    padding = b" " * (LARGEST_XML - len(report))
    assert results_of(report + padding) == Results(1, 0, 0, 0, 0)
    assert results_of(report + padding + b" ") is None


def test_a_deep_report_is_read() -> None:
    assert _of("<testsuite tests='1'>" + "<a>" * 50_000 + "</a>" * 50_000 + "</testsuite>")


@given(st.binary() | st.text("<>/!&;'\"= testsuiteDOCTYPE[]").map(str.encode))
def test_nothing_that_is_written_raises(data: bytes) -> None:
    results_of(data)


def test_what_pytest_writes_is_understood(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "def test_one(): pass\n"
        "def test_two(): pass\n"
        "def test_three(): assert not 'x'\n"
        "@pytest.mark.skip\ndef test_four(): pass\n"
        "@pytest.fixture\ndef broken(): raise ValueError\n"
        "def test_five(broken): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
    subprocess.run([*command, "--rootdir=.", "."], cwd=tmp_path, check=False, capture_output=True)
    results = results_of((tmp_path / "junit.xml").read_bytes())
    assert results
    assert (results.passed, results.failed, results.skipped, results.errors) == (2, 1, 1, 1)
    assert results.duration > 0
