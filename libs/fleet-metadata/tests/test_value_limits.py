"""What a key, a description and a value may measure, on both sides of each limit."""

import json
from time import process_time
from typing import Any

import pytest
from made_collectors import MadeCollector, body_of, key_of, state_of, told_by, value_of

from fleet_metadata import Key, ValueType
from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.selection import Selection

STRING = key_of("made_string")
ARRAY = key_of("made_array", ValueType.ARRAY)
OBJECT = key_of("made_object", ValueType.OBJECT)
NUMBER = key_of("made_number", ValueType.NUMBER)


def truncated(answer: Answer) -> list[str]:
    assert body_of(answer)["meta"]["truncated"] == list(answer.truncated)
    return body_of(answer)["meta"]["truncated"]


def size_of(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize(("length", "is_told"), [(256, True), (257, False)])
async def test_a_key_has_at_most_256_characters(length: int, is_told: bool) -> None:
    key = key_of("made_" + "é" * (length - 5))
    board = Board([MadeCollector({key.name: "x"}, key)])
    for selection in (Selection(), Selection(names=frozenset({key.name})), Selection(prefix="made_")):
        answer = await board.read(selection)
        assert list(body_of(answer)["data"]) == ([key.name] if is_told else [])
        assert truncated(answer) == ([] if is_told else [f"made_{'é' * 248}..."])
    assert truncated(await board.read(Selection(prefix="other_"))) == []


@pytest.mark.parametrize(("length", "is_whole"), [(256, True), (257, False)])
async def test_a_description_has_at_most_256_characters(length: int, is_whole: bool) -> None:
    key = Key("made_string", ValueType.STRING, "é" * length)
    answer = await told_by({"made_string": "x"}, key)
    assert body_of(answer)["data"]["made_string"]["schema"]["description"] == "é" * 256
    assert value_of(answer, "made_string") == "x"
    assert truncated(answer) == ([] if is_whole else ["made_string"])


@pytest.mark.parametrize(
    ("piece", "size"), [("x", 1), ("é", 2), ("語", 3), ("😀", 4), ('"', 2), ("\\", 2), ("\n", 2), ("\t", 2)]
)
async def test_a_text_has_at_most_4096_bytes_of_json_and_else_its_beginning_is_told(
    piece: str, size: int
) -> None:
    fits = piece * ((4096 - 2) // size)
    answer = await told_by({"made_string": fits}, STRING)
    assert value_of(answer, "made_string") == fits
    assert truncated(answer) == []
    answer = await told_by({"made_string": fits + piece}, STRING)
    assert value_of(answer, "made_string") == fits
    assert truncated(answer) == ["made_string"]
    assert answer.values["made_string"] == fits


async def test_of_texts_of_4096_and_4097_bytes_one_is_whole() -> None:
    for text, cut in (("é" * 2046 + "xx", []), ("é" * 2046 + "xxx", ["made_string"])):
        answer = await told_by({"made_string": text}, STRING)
        assert size_of(value_of(answer, "made_string")) == 4096
        assert truncated(answer) == cut


@pytest.mark.parametrize("last", ["x", "xx"])
async def test_an_array_has_at_most_4096_bytes_and_else_its_first_items_are_told(last: str) -> None:
    items: list[Any] = [{"n": number} for number in range(300)]
    items += ["y" * (4096 - size_of([*items, "", last])), last]
    assert size_of(items) == 4096
    answer = await told_by({"made_array": items}, ARRAY)
    assert value_of(answer, "made_array") == items
    assert truncated(answer) == []
    answer = await told_by({"made_array": (*items[:-1], last + "x")}, ARRAY)
    assert value_of(answer, "made_array") == items[:-1]
    assert truncated(answer) == ["made_array"]


async def test_an_array_whose_first_item_is_too_large_is_empty() -> None:
    answer = await told_by({"made_array": ["x" * 4093, 1]}, ARRAY)
    assert value_of(answer, "made_array") == []
    assert truncated(answer) == ["made_array"]


async def test_an_object_is_whole_or_left_out() -> None:
    fits = {"a": "x" * (4096 - size_of({"a": ""}))}
    assert value_of(await told_by({"made_object": fits}, OBJECT), "made_object") == fits
    answer = await told_by({"made_object": {"a": fits["a"] + "x"}}, OBJECT)
    assert body_of(answer)["data"] == {}
    assert truncated(answer) == ["made_object"]
    assert "error" not in state_of(answer)


@pytest.mark.parametrize("number", [10**308, -1.7976931348623157e308, 5e-324])
async def test_a_number_is_told_as_far_as_there_are_doubles(number: float) -> None:
    assert value_of(await told_by({"made_number": number}, NUMBER), "made_number") == number


async def test_a_number_inside_an_object_counts_as_its_digits() -> None:
    fits = {"n": 10 ** (4096 - size_of({"n": 0}))}
    assert size_of(fits) == 4096
    assert value_of(await told_by({"made_object": fits}, OBJECT), "made_object") == fits
    answer = await told_by({"made_object": {"n": fits["n"] * 10}}, OBJECT)
    assert truncated(answer) == ["made_object"]


async def test_what_is_too_large_twice_is_named_once() -> None:
    key = Key("made_string", ValueType.STRING, "d" * 300)
    assert truncated(await told_by({"made_string": "x" * 5000}, key)) == ["made_string"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (STRING, "https://a@b " * 10_000_000),
        (STRING, "\x00" * 100_000_000),
        (STRING, "-----BEGIN PRIVATE KEY-----" + "x" * 50_000_000),
        (ARRAY, ["x" * 100_000_000]),
        (ARRAY, [[]] * 10_000_000),
        (ARRAY, [["x"] * 10_000_000]),
        (ARRAY, [{"x" * 100_000_000: 1}]),
        (OBJECT, {"a": ["xyz" * 1000] * 1_000_000}),
        (OBJECT, {str(number): None for number in range(1_000_000)}),
        (OBJECT, {"a" * 100_000_000: None}),
    ],
    ids=lambda value: value.name if isinstance(value, Key) else "value",
)
async def test_nothing_waits_for_values_of_many_megabytes(key: Key, value: object) -> None:
    began = process_time()
    answer = await told_by({key.name: value}, key)
    # To clean all of it takes tens of seconds.
    assert process_time() - began < 5
    assert truncated(answer) == [key.name]
    assert len(answer.body) < 6000


async def test_a_secret_at_the_cut_is_not_cut_in_half() -> None:
    secret = "ghp_" + "Canary7Bird" * 4
    for before in range(4040, 4096):
        answer = await told_by({"made_string": "x" * before + f" {secret} and more " + "y" * 100}, STRING)
        assert "Canary" not in answer.body.decode()
