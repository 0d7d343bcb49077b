"""What a whole answer may measure, and that it is JSON whatever is in it."""

import json
from typing import Any, cast
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_collectors import MadeCollector, body_of, key_of

from fleet_metadata import CollectionFailed, Collector, Key, ValueType
from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.entries import as_json
from fleet_metadata.collection.sizes import within

MEBIBYTE = 1024 * 1024


async def read(limit_bytes: int, *collectors: Collector) -> Answer:
    answer = await Board(collectors, limit_bytes=limit_bytes).read()
    assert len(answer.body) <= limit_bytes
    body = body_of(answer)
    assert list(body["data"]) == list(answer.entries) == list(answer.values)
    return answer


def many(number: int, name: str = "made", size: int = 1000) -> MadeCollector:
    keys = [key_of(f"{name}_{count:05}") for count in range(number)]
    return MadeCollector({key.name: "x" * size for key in keys}, *keys, name=name)


async def test_of_thousands_of_entries_the_first_are_told_and_all_others_named() -> None:
    answer = await read(MEBIBYTE, many(3000), many(1000, "more"))
    body = body_of(answer)
    names = [f"made_{count:05}" for count in range(3000)] + [f"more_{count:05}" for count in range(1000)]
    told = len(body["data"])
    assert 850 < told < 1000
    assert list(body["data"]) == names[:told]
    assert body["meta"]["truncated"] == names[told:]
    # There was no room for another one.
    assert MEBIBYTE - len(answer.body) < 1200


async def test_what_is_small_enough_is_told_behind_what_is_not() -> None:
    keys = [key_of("made_a"), key_of("made_b"), key_of("made_c")]
    values = {"made_a": "x" * 100, "made_b": "y" * 3000, "made_c": "z" * 100}
    body = body_of(await read(2000, MadeCollector(values, *keys)))
    assert list(body["data"]) == ["made_a", "made_c"]
    assert body["meta"]["truncated"] == ["made_b"]


@pytest.mark.parametrize("number", [1, 2, 50])
def test_what_fits_to_the_byte_is_told_and_with_one_byte_less_the_last_is_not(number: int) -> None:
    data = {f"made_{count}": b'"%s"' % (b"x" * 500) for count in range(number)}
    room = len(as_object_of(data)) - 2
    assert within(data, [], room) == (data, [])
    fitting, rest = within(data, [], room - 1)
    assert (list(fitting), rest) == (list(data)[:-1], list(data)[-1:])


def as_object_of(data: dict[str, bytes]) -> bytes:
    return json.dumps(
        {name: json.loads(entry) for name, entry in data.items()}, separators=(",", ":")
    ).encode()


DATA = st.dictionaries(
    st.text(max_size=3).map(lambda name: f"made_of_these_letters_{name}"),
    st.integers(1, 400).map(lambda size: b"x" * size),
    max_size=20,
)


@st.composite
def data_cut_and_room(draw: st.DrawFn) -> tuple[dict[str, bytes], list[str], int]:
    """Some of what was cut is told none the less; the room is for about all, or for some of it."""
    data = draw(DATA)
    cut = draw(st.lists(st.sampled_from([*data, "left out", "x" * 200]), max_size=8))
    return data, cut, draw(st.integers(0, sum(map(len, (*data, *data.values(), *cut))) + 50))


@given(data_cut_and_room())
def test_what_is_told_and_named_takes_the_room_there_is_and_not_more(
    told: tuple[dict[str, bytes], list[str], int],
) -> None:
    check_sizes(*told)


def test_so_it_is_at_any_size() -> None:
    data = {f"made_of_these_letters_{count}": b"x" * (50 + 7 * count) for count in range(9)}
    for room in range(1200):
        check_sizes(data, [], room)
        check_sizes(data, [*list(data)[3:5], "left out"], room)


def check_sizes(data: dict[str, bytes], cut: list[str], room: int) -> None:
    fitting, names = within(data, cut, room)
    size = sum(len(as_json(name)) + len(entry) + 2 for name, entry in fitting.items()) - bool(fitting)
    size += sum(len(as_json(name)) + 1 for name in names) - bool(names)
    assert size <= max(room, 40)
    rest = [*dict.fromkeys(cut), *(name for name in data if name not in fitting and name not in cut)]
    if sum(len(as_json(name)) + 1 for name in {*cut, *data}) >= room // 2:
        # Half of it is for names.
        told = len(names) - (list(names) != rest)
        assert list(names[:told]) == rest[:told]
        assert list(names[told:]) == ([f"... and {len(rest) - told} more"] if told < len(rest) else [])
        return
    assert list(names) == rest
    for name in data.keys() - fitting.keys():
        # There may be a comma or two less.
        more = len(data[name]) + 1 + (len(as_json(name)) + 1 if name in cut else 0)
        assert size + more > room - 2


async def test_names_that_take_more_than_half_of_the_room_are_counted() -> None:
    keys = [key_of(f"made_{count:05}{'n' * 240}") for count in range(8000)]
    body = body_of(await read(MEBIBYTE, MadeCollector({key.name: "x" * 300 for key in keys}, *keys)))
    told, truncated = len(body["data"]), body["meta"]["truncated"]
    assert told > 500
    assert len(truncated) > 1900
    assert truncated[-1] == f"... and {8000 - told - (len(truncated) - 1)} more"


async def test_long_names_are_no_reason_to_leave_out_what_fits() -> None:
    keys = [key_of(f"made_{count:03}{'n' * 240}") for count in range(100)]
    answer = await read(60_000, MadeCollector({key.name: None for key in keys}, *keys))
    assert len(answer.entries) == 100
    assert answer.truncated == []


async def test_where_there_is_hardly_any_room_it_is_first_known_how_it_stands() -> None:
    made = [MadeCollector(CollectionFailed("why" * 100), name=f"broken{number}") for number in range(20)]
    whole = await read(MEBIBYTE, *made)
    assert all("error" in state for state in whole.states)
    small = await read(len(whole.body) - 1, *made)
    assert [state["status"] for state in small.states] == ["failed"] * 20
    assert not any("error" in state for state in small.states)


async def test_what_is_no_character_in_a_schema_is_a_question_mark() -> None:
    key = Key("made_a", ValueType.ENUM, "A", values=("open", "\ud800"))
    entry = body_of(await read(MEBIBYTE, MadeCollector({"made_a": "open"}, key)))["data"]["made_a"]
    assert entry["schema"]["values"] == ["open", "?"]


async def test_an_etag_is_of_what_is_told_also_where_not_all_is() -> None:
    one, other = await read(20_000, many(30)), await read(10_000, many(30))
    assert one.etag != other.etag
    assert one.etag == (await read(20_000, many(30))).etag


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"])),
    st.binary(max_size=5),
    st.sampled_from(["\ud800", '"', "\\", "https://a:b@c", "ghp_" + "x7" * 20, "x" * 5000, 10**400]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.one_of(st.text(), st.integers()), inner)
    ),
)
NAMES = st.text(max_size=300).filter(str.isprintable)
KEYS = st.builds(
    Key,
    NAMES,
    st.sampled_from(ValueType),
    st.one_of(st.text(max_size=300), st.just("\udfff\x1b")),
    st.booleans(),
    st.lists(st.text(), min_size=1).map(tuple),
    st.booleans(),
)


@given(
    st.lists(st.tuples(KEYS, VALUES), max_size=8, unique_by=lambda told: told[0].name),
    st.dictionaries(st.one_of(st.text(), st.integers(), st.just("\ud800")), SCALARS, max_size=3),
    st.integers(600, 20_000),
)
async def test_any_answer_is_json_and_within_its_limit(
    told: list[tuple[Key, Any]], unknown: dict[Any, Any], limit_bytes: int
) -> None:
    values = unknown | {key.name: value for key, value in told}
    answer = await read(limit_bytes, MadeCollector(values, *(key for key, _ in told)))
    keys = {key.name: key for key, _ in told}
    for name, entry in body_of(answer)["data"].items():
        assert keys[name].fault(entry["value"]) is None
        assert len(as_json(entry["value"])) <= 4096
        assert _is_plain(entry["value"])
    assert _is_plain(list(answer.states))
    assert b"x7x7" not in answer.body
    assert b"a:b@" not in answer.body


def _is_plain(value: object) -> bool:
    match value:
        case str():
            return not any(category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in value)
        case list():
            return all(map(_is_plain, cast("list[object]", value)))
        case dict():
            members = cast("dict[str, object]", value)
            return all(_is_plain(name) and _is_plain(inner) for name, inner in members.items())
        case _:
            return True
