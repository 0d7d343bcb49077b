from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fleet.endpoint import Endpoint
from fleet.screen import Row, Screen
from fleet.services import GRAPH, METADATA

ENDPOINTS = [Endpoint(GRAPH, "127.0.0.1", 8000), Endpoint(METADATA, "127.0.0.1", 8001)]


def test_steps_are_a_spinner_on_a_terminal() -> None:
    output = StringIO()
    with Screen(Console(file=output, force_terminal=True)).step("Starting"):
        pass
    assert "\x1b" in output.getvalue()
    assert "Starting ..." in output.getvalue()


def test_passwords_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://me:secret@db:5432/fleet?password=secret"
    Screen().overview([Row("PostgreSQL", url, "ready")])
    shown = capsys.readouterr().out
    assert "postgresql://db:5432/fleet" in shown
    assert "secret" not in shown


def test_a_line_to_paste_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    folder = "/a folder/" + "long/" * 40
    Screen().next_steps(ENDPOINTS, "fleet_[red]", Path(folder) / "api-key")
    shown = capsys.readouterr().out.splitlines()
    for request in ("http://127.0.0.1:8000/api/v1/services", "http://127.0.0.1:8001/metadata"):
        assert f"""curl -H "Authorization: Bearer $(cat '{folder}api-key')" {request}""" in shown
    assert f"API key:    fleet_[red] (kept in {folder}api-key)" in shown


def test_swagger_ui_is_named_for_every_service_and_where_a_browser_asks_for_the_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen().next_steps(ENDPOINTS, "fleet_abc", Path("api-key"))
    shown = capsys.readouterr().out.splitlines()
    assert "Swagger UI: http://127.0.0.1:8000/docs (dependency graph)" in shown
    asks = "workspace metadata; asks for a password: the API key"
    assert f"Swagger UI: http://127.0.0.1:8001/docs ({asks})" in shown
