import json
import stat
from pathlib import Path

import pytest

from embedded_services import DataFolderInUse
from fleet.data_dir import DataDir
from fleet.errors import FleetError

ENDPOINTS = {"graph": "http://127.0.0.1:8000"}


def test_what_is_announced_is_withdrawn_at_the_end_and_the_key_stays(tmp_path: Path) -> None:
    with DataDir.held(tmp_path / "new" / "fleet") as data_dir:
        data_dir.keep_api_key("fleet_abc")
        data_dir.announce(ENDPOINTS, "postgresql://localhost/fleet")
        assert json.loads((data_dir.path / "endpoints.json").read_text()) == ENDPOINTS
        files = {path.name: path for path in data_dir.path.iterdir() if path.is_file()}
        assert files.keys() == {".gitignore", "lock", "api-key", "endpoints.json", "database-url"}
        assert files.pop(".gitignore").read_text() == "*\n"
        assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert {path.name for path in data_dir.path.iterdir()} == {".gitignore", "lock", "api-key", "logs"}


def test_the_key_of_the_last_start_is_found(tmp_path: Path) -> None:
    with DataDir.held(tmp_path) as data_dir:
        assert data_dir.api_key() is None
        data_dir.keep_api_key("fleet_abc")
    with DataDir.held(tmp_path) as data_dir:
        assert data_dir.api_key() == "fleet_abc"


def test_addresses_left_by_a_kill_are_gone_with_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text("{}")
    with DataDir.held(tmp_path):
        assert not (tmp_path / "endpoints.json").exists()


def test_logs_of_the_start_before_are_kept_and_older_ones_are_not(tmp_path: Path) -> None:
    for start in ("first", "second", "third"):
        with DataDir.held(tmp_path) as data_dir:
            (data_dir.logs / start).touch()
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["third"]
    assert [path.name for path in (tmp_path / "logs.previous").iterdir()] == ["second"]


def test_only_one_may_hold_the_folder(tmp_path: Path) -> None:
    with DataDir.held(tmp_path) as first:
        first.announce(ENDPOINTS, "")
        with pytest.raises(DataFolderInUse), DataDir.held(tmp_path):
            pass
        assert (tmp_path / "endpoints.json").exists()


def test_a_folder_that_cannot_be_used_is_refused_with_the_option_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FleetError, match=r"File exists.*--data-dir"), DataDir.held(tmp_path / "file"):
        pass
