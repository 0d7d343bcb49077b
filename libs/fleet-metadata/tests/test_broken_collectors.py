"""Whatever a collector does, the answer is one, and the others are in it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from made_collectors import MadeCollector, MadeRemote, body_of, key_of, logged, state_of, told_by, value_of

from fleet_metadata import Key, Reading, ValueType
from fleet_metadata.collection.answer import Answer
from fleet_metadata.collection.attempt import collection_by
from fleet_metadata.collection.board import Board

STRING = key_of("made_string")
NUMBER = key_of("made_number", ValueType.NUMBER)
BOOLEAN = key_of("made_boolean", ValueType.BOOLEAN)
ENUM = key_of("made_enum", ValueType.ENUM, values=("open", "closed"))
ARRAY = key_of("made_array", ValueType.ARRAY)
OBJECT = key_of("made_object", ValueType.OBJECT)


class Ends(BaseException):
    pass


class Haunted(Mapping[str, Any]):
    """Says that it has what it does not have."""

    def __getitem__(self, key: str) -> Any:
        raise LookupError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["made_string"])

    def __len__(self) -> int:
        return 1


class Nameless:
    def __str__(self) -> str:
        raise LookupError("no name")

    __repr__ = __str__


def str_id(value: object) -> str:
    return value.name if isinstance(value, Key) else type(value).__name__


async def read_beside_others(broken: MadeCollector) -> Answer:
    other = MadeCollector({"other_branch": "x", "other_commit": None}, name="other")
    answer = await Board([broken, other], deadline_seconds=30).read()
    assert value_of(answer, "other_branch") == "x"
    assert state_of(answer, "other")["status"] == "ok"
    return answer


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("Canary"),
        RecursionError(),
        TimeoutError("Canary"),
        asyncio.CancelledError("Canary"),
        SystemExit(1),
        Ends("Canary"),
        ExceptionGroup("Canary", [ValueError()]),
        BaseExceptionGroup("Canary", [SystemExit()]),
        StopIteration(),
        StopAsyncIteration(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [MadeCollector, MadeRemote])
async def test_whatever_it_raises_is_a_failure_that_is_logged(
    kind: Callable[..., MadeCollector], raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await read_beside_others(kind(raised, STRING, name="made"))
    state = state_of(answer)
    assert state["status"] == "failed"
    assert state["error"].startswith("a fault in the collector, told in the log: ")
    assert "Canary" not in str(state)
    assert logged(caplog) == [("collector broke", "made")]


async def test_who_interrupts_the_process_is_not_held_up() -> None:
    with pytest.raises(KeyboardInterrupt):
        await collection_by(MadeCollector(KeyboardInterrupt(), STRING))()


@pytest.mark.parametrize(
    "given", [None, {}, {"made_string": "x"}, 7, "text", [("made_string", "x")]], ids=repr
)
async def test_what_is_no_reading_is_a_failure(given: object) -> None:
    state = state_of(await read_beside_others(MadeCollector(lambda: given, STRING)))
    assert state["status"] == "failed"
    assert state["error"] == f"the collector gave a {type(given).__name__}, and no Reading"


@pytest.mark.parametrize(
    "values", [None, 7, "text", [1], Haunted()], ids=lambda values: type(values).__name__
)
async def test_values_that_cannot_be_read_are_a_failure(values: Any) -> None:
    state = state_of(await read_beside_others(MadeCollector(lambda: Reading(values), STRING)))
    assert state["status"] == "failed"


class Incomparable:
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError("Canary")


async def test_a_subject_that_cannot_be_compared_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    state = state_of(await read_beside_others(MadeRemote({}, STRING, name="made", about=Incomparable())))
    assert state["status"] == "failed"
    assert state["error"] == "a fault in the collector, told in the log: ArithmeticError"
    assert logged(caplog) == [("collector broke", "made")]


class Lazy(Mapping[str, Any]):
    """Has a fault that is found where it is read."""

    def __getitem__(self, key: str) -> Any:
        raise AttributeError("Canary")

    def __iter__(self) -> Iterator[str]:
        raise AttributeError("Canary")

    def __len__(self) -> int:
        return 1


async def test_a_value_that_breaks_when_it_is_read_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    state = state_of(await read_beside_others(MadeCollector({"made_object": Lazy()}, OBJECT)))
    assert state["status"] == "failed"
    assert state["error"] == "a fault in the collector, told in the log: AttributeError"
    assert logged(caplog) == [("collector broke", "made")]


def _recursive() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (STRING, 7, "this int is no string"),
        (STRING, True, "this bool is no string"),
        (STRING, b"bytes", "not JSON: a bytes in it"),
        (NUMBER, True, "this bool is no number"),
        (NUMBER, "7", "this str is no number"),
        (NUMBER, float("nan"), "not JSON"),
        (NUMBER, float("inf"), "not JSON"),
        (NUMBER, 10**400, "this int is no number"),
        (NUMBER, 10**5000, "not JSON"),
        (NUMBER, 1j, "not JSON: a complex in it"),
        (BOOLEAN, 1, "this int is no boolean"),
        (BOOLEAN, "true", "this str is no boolean"),
        (ENUM, "other", "not one of open, closed"),
        (ENUM, ["open"], "this list is no enum"),
        (ARRAY, "text", "this str is no array"),
        (ARRAY, {"a": 1}, "this dict is no array"),
        (ARRAY, {1, 2}, "not JSON: a set in it"),
        (ARRAY, [float("nan")], "not JSON"),
        (ARRAY, [{"a": object()}], "not JSON: a object in it"),
        (ARRAY, (item for item in "ab"), "not JSON: a generator in it"),
        (ARRAY, _recursive(), "not JSON: nested too deep"),
        (ARRAY, _deep(), "not JSON: nested too deep"),
        (OBJECT, [1], "this list is no object"),
        (OBJECT, {1: "a"}, "not JSON: a int as the name of a member"),
        (OBJECT, {None: "a"}, "not JSON: a NoneType as the name of a member"),
        (OBJECT, {("a", "b"): 1}, "not JSON: a tuple as the name of a member"),
        (OBJECT, {Nameless(): 1}, "not JSON: a Nameless as the name of a member"),
        (OBJECT, {"a": {"b": float("inf")}}, "not JSON"),
        (OBJECT, Haunted(), "not JSON"),
        (OBJECT, Nameless(), "not JSON: a Nameless in it"),
    ],
    ids=str_id,
)
async def test_a_value_that_is_not_as_its_key_has_it_is_left_out_and_told(
    key: Key, value: object, told: str
) -> None:
    good = key_of("made_good", nullable=False)
    answer = await read_beside_others(MadeCollector({key.name: value, "made_good": "x"}, key, good))
    assert list(body_of(answer)["data"]) == ["made_good", "other_branch", "other_commit"]
    state = state_of(answer)
    assert state["status"] == "ok"
    assert state["error"].startswith(f"{key.name}: {told}")
    assert body_of(answer)["meta"]["truncated"] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (STRING, ""),
        (NUMBER, 0),
        (NUMBER, -1.5e300),
        (BOOLEAN, False),
        (ENUM, "closed"),
        (ARRAY, []),
        (ARRAY, [1, None, True, "x", {"a": []}]),
        (OBJECT, {}),
        (OBJECT, {"a": {"b": [1.5]}, "": None}),
    ],
)
async def test_a_value_of_each_type_is_told_as_it_is(key: Key, value: object) -> None:
    answer = await told_by({key.name: value}, key)
    told = value_of(answer, key.name)
    assert (told, type(told)) == (value, type(value))
    assert "error" not in state_of(answer)


@pytest.mark.parametrize("key", [STRING, NUMBER, BOOLEAN, ENUM, ARRAY, OBJECT], ids=lambda key: key.type)
async def test_every_value_may_be_null(key: Key) -> None:
    answer = await told_by({key.name: None}, key)
    assert body_of(answer)["data"][key.name] == {"value": None, "schema": key.schema()}
    assert key.schema()["nullable"] is True


async def test_but_not_where_its_key_says_that_there_is_one_at_all_times() -> None:
    key = key_of("made_always", nullable=False)
    answer = await told_by({"made_always": None}, key)
    assert body_of(answer)["data"] == {}
    assert state_of(answer)["error"] == "made_always: null, and it is not nullable"
    assert "nullable" not in key.schema()


async def test_a_key_without_a_value_and_a_value_without_a_key_are_told() -> None:
    answer = await read_beside_others(
        MadeCollector({"made_number": 7, "made_other": 1, Nameless(): 2}, STRING, NUMBER)
    )
    assert value_of(answer, "made_number") == 7
    assert state_of(answer)["error"] == (
        "made_string: the collector told no value; made_other: no key of this collector; "
        "a Nameless: no key of this collector"
    )


async def test_of_thousands_of_faults_the_first_are_told() -> None:
    answer = await told_by({f"made_{number}": number for number in range(10_000)}, STRING)
    assert len(state_of(answer)["error"]) == 500


async def test_warnings_that_are_no_texts_are_told_as_such() -> None:
    made = MadeCollector({"made_string": "x"}, STRING)
    made.warnings = [ValueError("no reviews"), 7]  # pyright: ignore[reportAttributeAccessIssue]
    assert state_of(await read_beside_others(made))["error"] == "no reviews; 7"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"type": "text"}, "'text' is not a valid ValueType"),
        ({"type": "enum"}, "made_a is an enum without values"),
        ({"type": "enum", "values": ("a", 1)}, "no texts"),
        ({"description": None}, "no texts"),
        ({"name": 7}, "no texts"),
        ({"name": "made_\ud800"}, "cannot be seen"),
        ({"name": "made_\n"}, "cannot be seen"),
    ],
)
def test_what_cannot_be_a_key_is_refused_where_it_is_made(broken: dict[str, Any], why: str) -> None:
    whole: dict[str, Any] = {"name": "made_a", "type": "string", "description": "A"}
    assert Key(**whole).schema()["type"] == "string"
    with pytest.raises(ValueError, match=why):
        Key(**whole | broken)


async def test_the_values_of_an_enum_may_be_given_as_a_list() -> None:
    values: Any = ["open", "closed"]
    answer = await told_by({"made_a": "open"}, Key("made_a", ValueType.ENUM, "A", values=values))
    assert body_of(answer)["data"]["made_a"]["schema"]["values"] == values
