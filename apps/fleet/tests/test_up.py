"""How `fleet up` treats a service, tried with a stand-in that is quick to start."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fleet.data_dir import DataDir
from fleet.errors import FleetError
from fleet.screen import Screen
from fleet.services import Service
from fleet.settings import Settings
from fleet.supervisor import Supervisor
from fleet.up import Plan, start

STAND_IN = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        refused = self.path == "/guarded" and self.headers["Authorization"] not in ("Bearer kept", "Bearer new")
        self.send_response(401 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

if sys.argv[1] == os.environ.get("FAULT"):
    sys.exit(f"cannot {sys.argv[1]}")
if sys.argv[1] == "api-keys":
    print("new")
if sys.argv[1] == "serve":
    print(*(os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "API_WORKERS")), flush=True)
    HTTPServer((os.environ["API_HOST"], int(os.environ["API_PORT"])), Handler).serve_forever()
"""
SERVICE = Service("demo", "demonstration", "stand_in", 8000, "/readyz", "/docs", "/guarded")
GIVEN = {"database_url": "postgresql://me:secret@db/fleet", "redis_url": "redis://cache/0"}

Start = Callable[[], Supervisor]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Start]:
    """Start the stand-in on a data folder that is `tmp_path`."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = Settings().model_copy(update=GIVEN)
    with DataDir.held(tmp_path) as data_dir, ExitStack() as running:
        plan = Plan(tmp_path, {SERVICE: 0}, sample=False)
        yield lambda: start(plan, settings, Screen(), data_dir, running)


def test_stores_that_the_environment_gives_are_used_and_no_others_started(
    begin: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin().check()
    assert "postgresql://me:secret@db/fleet redis://cache/0 1\n" in (tmp_path / "logs/demo.log").read_text()
    assert (tmp_path / "database-url").read_text() == "postgresql://me:secret@db/fleet\n"
    assert not (tmp_path / "postgres").exists()
    shown = capsys.readouterr().out
    assert "given by DATABASE_URL" in shown
    assert "given by REDIS_URL" in shown
    assert "secret" not in shown


def test_the_first_start_makes_a_key_and_tells_where_services_are(begin: Start, tmp_path: Path) -> None:
    begin()
    assert (tmp_path / "api-key").read_text() == "new\n"
    assert json.loads((tmp_path / "endpoints.json").read_text()).keys() == {"demo"}


def test_a_key_that_is_still_good_is_kept(begin: Start, tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("kept\n")
    begin()
    assert (tmp_path / "api-key").read_text() == "kept\n"
    assert not (tmp_path / "logs/demo-api-keys.log").exists()


def test_a_key_that_is_no_longer_good_is_replaced_and_that_is_said(
    begin: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "api-key").write_text("revoked\n")
    begin()
    assert (tmp_path / "api-key").read_text() == "new\n"
    assert f"{tmp_path}/api-key is no longer good: it is replaced by a new one." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "name"), [("migrate", "demo-migrate"), ("api-keys", "demo-api-keys"), ("serve", "demo")]
)
def test_what_fails_while_starting_is_named_with_its_reason_and_nothing_is_announced(
    begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, name: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    with pytest.raises(FleetError, match=rf"^{name} ended with exit code 1\.(?s:.*)\ncannot {fault}$"):
        begin()
    assert not (tmp_path / "endpoints.json").exists()
