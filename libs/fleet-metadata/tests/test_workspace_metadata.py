"""What a client makes of an answer, and how much it remembers."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet_metadata.agents.remembered import OVERHEAD_BYTES, Remembered
from fleet_metadata.agents.workspace_metadata import NotMetadata, metadata_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(["data", "meta", "collectors", "name", "status", "error", "value", "schema", "x"])
NEARLY = st.recursive(
    st.none() | st.integers() | st.just("git") | st.just("ok"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=30,
)
BODY = b"x" * 10
SIZE = len(BODY) + OVERHEAD_BYTES


@given(st.dictionaries(st.text(), JSON))
def test_every_value_comes_out_as_it_went_in(values: dict[str, Any]) -> None:
    document = {"data": {name: {"value": value, "schema": {}} for name, value in values.items()}, "meta": {}}
    metadata = metadata_in(json.dumps(document).encode())
    assert metadata.values == values
    assert metadata.document == document


@given(
    JSON
    | NEARLY
    | st.dictionaries(st.just("data"), NEARLY)
    | st.fixed_dictionaries({"data": NEARLY, "meta": NEARLY})
)
def test_no_json_is_an_exception(document: Any) -> None:
    _read(json.dumps(document).encode())


@given(st.binary())
def test_no_bytes_are_an_exception(body: bytes) -> None:
    _read(body)


def _read(body: bytes) -> None:
    try:
        metadata = metadata_in(body)
    except NotMetadata:
        return
    assert all(isinstance(state.name, str) for state in metadata.collectors)
    assert set(metadata.values) == set(metadata.data)


def test_what_was_used_longest_ago_gives_way() -> None:
    remembered = Remembered(60, largest_bytes=3 * SIZE)
    for url in "abc":
        remembered.put(url, '"1"', BODY)
    assert remembered.get("a")
    remembered.put("d", '"1"', BODY)
    assert [url for url in "abcd" if remembered.get(url)] == ["a", "c", "d"]


def test_what_is_put_twice_counts_once() -> None:
    remembered = Remembered(60, largest_bytes=2 * SIZE)
    for number in range(10):
        remembered.put("a", f'"{number}"', BODY)
        remembered.put("b", None if number % 2 else '"1"', BODY)
    a, b = remembered.get("a"), remembered.get("b")
    assert a
    assert (a.etag, a.body, b) == ('"9"', BODY, None)
    remembered.put("c", '"1"', BODY)
    assert remembered.get("a")


def test_what_is_too_large_alone_is_not_remembered() -> None:
    remembered = Remembered(60, largest_bytes=SIZE)
    remembered.put("a", '"1"', BODY)
    assert remembered.get("a")
    remembered.put("b", '"1"', BODY + b"x")
    assert not remembered.get("b")
