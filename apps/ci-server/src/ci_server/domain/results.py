from collections import Counter
from collections.abc import Mapping
from math import isfinite
from xml.parsers.expat import ExpatError, ParserCreate

from ci_server.domain.job import Results

LARGEST_XML = 50 * 1024 * 1024
_MOST = 2**31 - 1
_COUNTS = ("tests", "failures", "errors", "skipped", "time")


class _NotJUnit(Exception):
    """Not a report of tests, or one with a document type, which those do not have."""


def results_of(junit_xml: bytes) -> Results | None:
    """What a JUnit XML file says, of all its suites; None where it is not one, or is larger than 50 MB.

    Whoever ran the tests may have written anything there: a document type is refused and with it all
    entities, and what is missing or no number counts as 0. It blocks, for seconds where it is large.
    """
    if len(junit_xml) > LARGEST_XML:
        return None
    try:
        sums = _sums_of(junit_xml)
    except (ExpatError, ValueError, LookupError, _NotJUnit):
        return None
    failed, errors, skipped = (int(min(sums[name], _MOST)) for name in ("failures", "errors", "skipped"))
    passed = int(min(sums["tests"], _MOST)) - failed - errors - skipped
    return Results(max(passed, 0), failed, skipped, errors, min(sums["time"], float(_MOST)))


def _sums_of(junit_xml: bytes) -> Mapping[str, float]:
    suites = _Suites()
    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = suites.doctype
    parser.StartElementHandler = suites.start
    parser.EndElementHandler = suites.end
    parser.Parse(junit_xml, True)
    return suites.sums


class _Suites:
    def __init__(self) -> None:
        self.sums = Counter[str]()
        self._depth = 0
        self._suites_at = 0

    def doctype(self, *_: object) -> None:
        raise _NotJUnit

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._depth and name not in {"testsuites", "testsuite"}:
            raise _NotJUnit
        if not self._depth and name == "testsuites":
            self._suites_at = 1
        if self._depth == self._suites_at and name == "testsuite":
            self.sums.update({count: _number(attributes.get(count)) for count in _COUNTS})
        self._depth += 1

    def end(self, _name: str) -> None:
        self._depth -= 1


def _number(text: str | None) -> float:
    try:
        number = float(text or 0)
    except ValueError:
        return 0
    return number if isfinite(number) and number > 0 else 0
