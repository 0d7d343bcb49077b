"""Collectors of other packages: how they are found, and what becomes of those that cannot be used."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from made_collectors import body_of, logged, state_of, value_of
from shown_collectors import REAL

from fleet_metadata import Collector, Key, Reading, ValueType, Workspace
from fleet_metadata.collection.board import Board
from fleet_metadata.installed import GROUP, installed_collectors
from fleet_metadata.settings import Settings

MODULE = """
from fleet_metadata import Key, Reading, ValueType

class Weather:
    name = "weather"
    prefix = "weather_"
    keys = [Key("weather_sky", ValueType.STRING, "What the sky looks like", in_list=True)]

    def __init__(self, workspace):
        self.folder = workspace.folder

    async def collect(self):
        return Reading({"weather_sky": f"blue above {self.folder.name}"})
"""


class Whole:
    """A collector that is as it should be; others are made of it."""

    name = "whole"
    prefix = "whole_"
    keys: Any = (Key("whole_a", ValueType.STRING, "A"),)

    def __init__(self, _workspace: Workspace) -> None:
        return

    async def collect(self) -> Reading:
        return Reading(dict.fromkeys((key.name for key in self.keys), "x"))


class Other(Whole):
    name, prefix = "other", "other_"
    keys = (Key("other_a", ValueType.STRING, "A"),)


class Thief(Other):
    keys = (Key("other_b", ValueType.STRING, "B"), Key("whole_a", ValueType.STRING, "not its own"))
    prefix = ""


class Namesake(Other):
    name = "whole"


class WrongPrefix(Other):
    keys = (Key("another_a", ValueType.STRING, "A"),)


class Twice(Other):
    keys = (*Other.keys, *Other.keys)


class NoKeys(Other):
    keys = None


class KeysOfText(Other):
    keys = ("other_a",)


class OneTime(Other):
    keys = (key for key in Other.keys)


class NumberForAName(Other):
    name: Any = 7


class Silent(Other):
    collect: Any = None


class Afar(Other):
    refresh_seconds: Any = 0.1

    async def subject(self) -> str:
        return "here"


class RefreshedByText(Afar):
    refresh_seconds = "5"


class RefreshedAllTheTime(Afar):
    refresh_seconds = 0


class RefreshedNever(Afar):
    refresh_seconds = float("inf")


class RefreshedNobodyKnowsWhen(Afar):
    refresh_seconds = float("nan")


class RefreshedByBoolean(Afar):
    refresh_seconds = True


class RefreshingThatRaises(Afar):
    @property
    def refresh_seconds(self) -> Any:
        raise ZeroDivisionError


class KeysThatRaise(Other):
    @property
    def keys(self) -> Any:
        raise ZeroDivisionError


def breaks(_workspace: Workspace) -> Collector:
    raise ValueError("Canary, the password")


def ends(_workspace: Workspace) -> Collector:
    sys.exit("Canary")


def gives_nothing(_workspace: Workspace) -> None:
    return None


def takes_nothing() -> Collector:
    raise AssertionError


class Fixed(EntryPoint):
    """An entry point of what is here already."""

    def load(self) -> Any:
        return MADE[self.value.removeprefix("fleet_metadata.")]


MADE: dict[str, Any] = {
    made.__name__: made
    for made in (
        *(Whole, Other, Thief, Namesake, WrongPrefix, Twice, NoKeys, KeysOfText, OneTime, NumberForAName),
        *(Afar, RefreshedByText, RefreshedAllTheTime, RefreshedNever, RefreshedNobodyKnowsWhen),
        *(
            RefreshedByBoolean,
            RefreshingThatRaises,
            KeysThatRaise,
            Silent,
            breaks,
            ends,
            gives_nothing,
            takes_nothing,
        ),
    )
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings.model_validate({"metadata_folder": tmp_path}))


def entry(name: str, value: str, kind: Callable[..., EntryPoint] = Fixed) -> EntryPoint:
    return kind(name=name, value=value, group=GROUP)


def install(folder: Path, module: str, source: str, *entries: str) -> None:
    """What an installer leaves behind of a package with these entries."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries]) + "\n")


async def test_a_package_that_is_installed_beside_adds_its_collector(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "weather_of_a_test", MODULE, "weather = weather_of_a_test:Weather")
    monkeypatch.syspath_prepend(tmp_path)
    collectors = installed_collectors(workspace)
    assert [collector.name for collector in collectors] == [*REAL, "weather"]
    board = Board(collectors, disabled=REAL)
    answer = await board.read()
    await board.stop()
    assert value_of(answer, "weather_sky") == f"blue above {tmp_path.name}"
    assert state_of(answer, "weather")["status"] == "ok"


async def test_one_that_cannot_be_imported_harms_nobody(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(
        tmp_path, "broken_of_a_test", "import there_is_no_such_module", "broken = broken_of_a_test:Broken"
    )
    monkeypatch.syspath_prepend(tmp_path)
    collectors = installed_collectors(workspace)
    assert logged(caplog) == [("collector cannot be used", "broken")]
    answer = await Board(collectors, disabled=REAL).read()
    assert state_of(answer, "broken")["status"] == "failed"
    assert state_of(answer, "broken")["error"] == (
        "cannot be used as broken_of_a_test:Broken has it: No module named 'there_is_no_such_module'"
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("breaks", "ValueError"),
        ("ends", "SystemExit"),
        ("takes_nothing", "TypeError"),
        ("gives_nothing", "it is no collector, which has name, prefix, keys and collect()"),
        ("Silent", "it is no collector, which has name, prefix, keys and collect()"),
        ("NumberForAName", "name and prefix have to be texts, and keys a sequence"),
        ("NoKeys", "name and prefix have to be texts, and keys a sequence"),
        ("OneTime", "name and prefix have to be texts, and keys a sequence"),
        ("KeysOfText", "its keys have to be of the class Key"),
        ("KeysThatRaise", "ZeroDivisionError"),
        ("RefreshedByText", "refresh_seconds has to be a number above 0"),
        ("RefreshedAllTheTime", "refresh_seconds has to be a number above 0"),
        ("RefreshedNever", "refresh_seconds has to be a number above 0"),
        ("RefreshedNobodyKnowsWhen", "refresh_seconds has to be a number above 0"),
        ("RefreshedByBoolean", "refresh_seconds has to be a number above 0"),
        ("RefreshingThatRaises", "ZeroDivisionError"),
        ("WrongPrefix", "its key another_a does not begin with other_"),
        ("Twice", "it has the key other_a twice"),
        ("Thief", "the collector whole has the key whole_a as well"),
        ("Namesake", "there is a collector whole already"),
    ],
)
async def test_what_cannot_be_used_tells_why_and_the_others_are_collected(
    workspace: Workspace, value: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    # By name, the broken one would be the first.
    collectors = installed_collectors(workspace, [entry("a", value), entry("z", "fleet_metadata.Whole")])
    assert logged(caplog) == [("collector cannot be used", "a")]
    answer = await Board(collectors).read()
    assert value_of(answer, "whole_a") == "x"
    state = state_of(answer, "a")
    assert state["status"] == "failed"
    assert state["error"] == f"cannot be used as {value} has it: {why}"
    assert list(body_of(answer)["data"]) == ["whole_a"]


async def test_one_that_is_refreshed_ten_times_a_second_can_be_used(workspace: Workspace) -> None:
    board = Board(installed_collectors(workspace, [entry("other", "Afar")]))
    assert value_of(await board.read(), "other_a") == "x"
    await board.stop()


@pytest.mark.parametrize("value", ["no_such_module_of_a_test:X", "os:NoSuchThing", "os", "not an entry", ""])
def test_an_entry_that_names_nothing_is_a_broken_collector(workspace: Workspace, value: str) -> None:
    collectors = installed_collectors(workspace, [entry("a", value, EntryPoint), entry("b", "Whole")])
    assert [(collector.name, len(collector.keys)) for collector in collectors] == [("a", 0), ("whole", 1)]


async def test_of_two_entries_of_the_same_name_both_are_told_of(workspace: Workspace) -> None:
    collectors = installed_collectors(
        workspace,
        [entry("whole", "Namesake"), entry("whole", "breaks"), entry("whole", "fleet_metadata.Whole")],
    )
    names = [collector.name for collector in collectors]
    assert names == ["whole", "whole (Namesake)", "whole (breaks)"]
    states = body_of(await Board(collectors).read())["meta"]["collectors"]
    assert [state["status"] for state in states] == ["ok", "failed", "failed"]


async def test_one_that_cannot_be_used_can_be_disabled(workspace: Workspace) -> None:
    collectors = installed_collectors(workspace, [entry("a", "breaks")])
    answer = await Board(collectors, disabled=["a"]).read()
    assert state_of(answer, "a")["status"] == "disabled"


def test_those_of_this_package_come_first_and_then_the_rest_by_name(workspace: Workspace) -> None:
    collectors = installed_collectors(workspace, [entry("a", "Other"), entry("z", "fleet_metadata.Whole")])
    assert [collector.name for collector in collectors] == ["whole", "other"]
