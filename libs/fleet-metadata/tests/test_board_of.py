"""The board that the settings ask for, of the collectors that are installed."""

import json
from pathlib import Path

import pytest
from shown_collectors import REAL, installed, tell

from fleet_metadata.board_of import UnknownCollector, board_of, collectors_of
from fleet_metadata.collection.board import Board
from fleet_metadata.settings import Settings

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed; those of `shown_collectors` are."""
    folder = tmp_path / "site"
    installed(folder, shown="ShownCollector", alias="OtherCollector", broken="BrokenCollector")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def settings_of(folder: Path, *disabled: str, **others: str) -> Settings:
    names = ",".join(disabled or REAL)
    return Settings.model_validate(
        {"metadata_folder": folder, "metadata_disabled_collectors": names, **others}
    )


async def states_of(board: Board) -> dict[str, str]:
    document = json.loads((await board.read()).body)
    await board.stop()
    return {state["name"]: state["status"] for state in document["meta"]["collectors"]}


async def test_all_that_is_installed_is_asked_but_what_is_disabled(site: Path, tmp_path: Path) -> None:
    tell(tmp_path, shown_text="here")
    states = await states_of(board_of(settings_of(tmp_path, *REAL, "other")))
    assert states == dict.fromkeys(REAL, "disabled") | {
        "shown": "ok",
        "other": "disabled",
        "broken": "failed",
    }


async def test_for_a_key_no_more_is_loaded_than_what_tells_it(site: Path, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert set(await states_of(board_of(settings, "shown_text"))) == {"shown"}
    # Nobody knows by the names of the entries.
    for key in ("other_text", "shown", "nothing"):
        assert {"other", "shown", "broken"} < set(await states_of(board_of(settings, key)))


async def test_a_collector_may_be_disabled_that_has_another_name_than_its_entry(
    site: Path, tmp_path: Path
) -> None:
    for key in (None, "shown_text"):
        states = await states_of(board_of(settings_of(tmp_path, *REAL, "other"), key))
        assert states["other"] == "disabled"


@pytest.mark.parametrize("key", [None, "shown_text"])
def test_a_name_that_no_collector_has_cannot_be_disabled(site: Path, tmp_path: Path, key: str | None) -> None:
    settings = settings_of(tmp_path, "git", "gti")
    with pytest.raises(UnknownCollector, match=r"METADATA_DISABLED_COLLECTORS: .*'gti'; there are .*git, "):
        board_of(settings, key)
    with pytest.raises(UnknownCollector):
        collectors_of(settings)


def test_a_collector_that_is_disabled_is_not_offered(site: Path, tmp_path: Path) -> None:
    assert [collector.name for collector in collectors_of(settings_of(tmp_path))] == [
        "other",
        "broken",
        "shown",
    ]


@pytest.mark.parametrize(
    "name", ["fleet_metadata_token", "github_token", "gitlab_token", "coder_agent_token"]
)
async def test_every_secret_of_the_settings_is_masked(site: Path, tmp_path: Path, name: str) -> None:
    tell(tmp_path, shown_text=f"my {SECRET}", shown_list=[{SECRET: 1}])
    board = board_of(settings_of(tmp_path, **{name: SECRET}), "shown_text")
    body = (await board.read()).body.decode()
    await board.stop()
    assert "my ***" in body
    assert SECRET not in body


async def test_the_size_of_an_answer_is_that_of_the_settings(site: Path, tmp_path: Path) -> None:
    tell(tmp_path, shown_text="x" * 4000, shown_list=["y" * 4000], shown_nothing="z" * 4000)
    sizes: list[int] = []
    for megabytes in (1, 0.01):
        board = board_of(settings_of(tmp_path, metadata_size_limit_mb=str(megabytes)), "shown_text")
        sizes.append(len((await board.read()).body))
        await board.stop()
    assert sizes[0] > 12_000
    assert sizes[1] <= 0.01 * 1024 * 1024
