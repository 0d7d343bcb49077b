"""Versions in their order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_client.reading.versions import NO_VERSION, Version

ORDER = [
    *("dev", "0.9.1", "v0.9.2-rc.1", "v0.9.2", "v0.10.0", "1"),
    *("v1.0.1-1", "1.0.1-2", "1.0.1-10", "1.0.1-alpha", "1.0.1-alpha.1", "1.0.1-beta", "1.0.1+build.7"),
    *("1.1", "V2.0.0", "10.0.0"),
]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ORDER)))
def test_versions_are_in_the_order_of_semver(lower: str, higher: str) -> None:
    assert Version.parse(lower) < Version.parse(higher)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.2", "v1.2.0"), ("1.2.0+a", "1.2.0+b"), ("dev", "unknown"), ("", "latest"), ("0", "0.0")],
)
def test_what_means_the_same_is_equal(one: str, other: str) -> None:
    assert Version.parse(one) == Version.parse(other)


@pytest.mark.parametrize(
    "text", ["", "dev", "unknown", "build-1a2b3c", "v", "1.", "1..2", "-1", "1" * 5000, "1.x", "\u0661.0"]
)
def test_what_is_no_version_is_below_all_that_are(text: str) -> None:
    assert Version.parse(text) == NO_VERSION < Version.parse("0.0.0-0")


_NUMBERS = st.lists(st.integers(0, 99), min_size=3, max_size=3)


@given(_NUMBERS, _NUMBERS)
def test_releases_are_compared_number_by_number(one: list[int], other: list[int]) -> None:
    versions = [Version.parse("v" + ".".join(map(str, numbers))) for numbers in (one, other)]
    assert (versions[0] < versions[1]) == (one < other)


@given(st.text())
def test_no_text_is_too_odd_to_be_compared(text: str) -> None:
    assert Version.parse(text) >= NO_VERSION
