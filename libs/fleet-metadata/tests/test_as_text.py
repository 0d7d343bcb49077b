"""The bare value of a key, as scripts and Coder agents get it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_metadata.collection.text import TEXT_BYTES, as_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (810, "810"),
        (-6.5, "-6.5"),
        (1e300, "1e+300"),
        ("", ""),
        ("main", "main"),
        ("null", "null"),
        (" one\r\n\ttwo\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\xa0three\n", "one two three"),
        ("a\u200bb", "a\u200bb"),
        ([], "[]"),
        ({}, "{}"),
        (["a b", 1, None, {"é": True}], '["a b",1,null,{"é":true}]'),
        ({"text": "two  spaces\nand a line"}, r'{"text":"two  spaces\nand a line"}'),
        (["\x85\u2028\u2029"], r'["\u0085\u2028\u2029"]'),
        ("\ud800", "?"),
    ],
)
def test_each_kind_of_value_is_one_line(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * TEXT_BYTES, "a" * TEXT_BYTES),
        ("a" * (TEXT_BYTES + 1), "a" * TEXT_BYTES),
        ("é" * (TEXT_BYTES // 2), "é" * (TEXT_BYTES // 2)),
        ("aé" + "é" * TEXT_BYTES, "aé" + "é" * (TEXT_BYTES // 2 - 2)),
        ("abc" + "𝄞" * TEXT_BYTES, "abc" + "𝄞" * (TEXT_BYTES // 4 - 1)),
        (["a" * TEXT_BYTES], '["' + "a" * (TEXT_BYTES - 2)),
    ],
)
def test_a_long_one_is_cut_at_a_character_boundary(value: object, text: str) -> None:
    assert as_text(value) == text


@given(VALUES)
def test_any_value_is_one_short_line(value: Any) -> None:
    text = as_text(value)
    assert len(text.splitlines()) <= 1
    assert len(text.encode()) <= TEXT_BYTES


@given(VALUES.filter(lambda value: value is not None and not isinstance(value, str)))
def test_what_is_no_text_is_json_that_says_the_same(value: Any) -> None:
    text = as_text(value)
    if len(text.encode()) < TEXT_BYTES - 3:
        assert json.loads(text) == value


@given(st.text())
def test_a_text_keeps_all_but_its_white_space(value: str) -> None:
    text = as_text(value)
    whole = " ".join(value.split())
    assert whole.startswith(text)
    # What is missing would have been too much.
    if text != whole:
        assert len(whole[: len(text) + 1].encode()) > TEXT_BYTES
