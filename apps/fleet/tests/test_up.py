"""How `fleet up` treats a service, tried with a stand-in that is quick to start."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fleet.data_dir import DataDir
from fleet.errors import FleetError
from fleet.screen import Screen
from fleet.services import Role, Service
from fleet.settings import Settings
from fleet.supervisor import Supervisor
from fleet.up import Plan, start

STAND_IN = """
import os, pathlib, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLD = pathlib.Path(sys.argv[0]).stem == "told_stand_in"
GOOD = [os.environ["STAND_IN_KEY"]] if TOLD else ["kept", "new"]
GUARDED = ("/guarded", "/readyz") if TOLD else ("/guarded",)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        key = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        self.send_response(401 if self.path in GUARDED and key not in GOOD else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

if sys.argv[1] == "grants":
    print("grants", *sys.argv[2:], os.environ["COLDQUERY_ROLE_PASSWORD"], os.environ["DATABASE_URL"], file=sys.stderr)
if os.environ.get("FAULT") == f"{'told-' if TOLD else ''}{sys.argv[1]}":
    sys.exit(f"cannot {sys.argv[1]}")
if sys.argv[1] == "api-keys":
    print("new" if sys.argv[2] == "create" else os.environ["LISTED"])
if sys.argv[1] == "serve":
    print(*(os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "API_WORKERS")), flush=True)
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    HTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
"""
SERVICE = Service("demo", "demonstration", "stand_in", 8000, "/readyz", "/docs", "/guarded")
TOLD = Service(
    "told", "telling", "told_stand_in", 8001, "/readyz", "/docs", "/guarded", key_variable="STAND_IN_KEY"
)
OWN_ROLE = Service(
    "demo",
    "demonstration",
    "stand_in",
    8000,
    "/readyz",
    "/docs",
    "/guarded",
    role=Role("reader", reads=("graph", "ci"), writes=("public",)),
)
GIVEN = {"database_url": "postgresql://me:secret@db/fleet", "redis_url": "redis://cache/0"}
GOOD_FOR_EVER = {"key_id": "abc", "expires_at": None, "revoked_at": None}
LONG_AGO, FAR_AHEAD = "2001-02-03T04:05:06+00:00", "2999-02-03T04:05:06+00:00"

Start = Callable[..., Supervisor]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Start]:
    """Start stand-ins on a data folder that is `tmp_path`."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "told_stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = Settings().model_copy(update=GIVEN)
    with DataDir.held(tmp_path) as data_dir, ExitStack() as running:

        def begin(*services: Service) -> Supervisor:
            ports = dict.fromkeys(services or (SERVICE,), 0)
            plan = Plan(tmp_path, ports, sample=False, key_keeper=SERVICE)
            return start(plan, settings, Screen(), data_dir, running)

        yield begin


def status_of(name: str, data_dir: Path, key: str) -> int:
    url = json.loads((data_dir / "endpoints.json").read_text())[name]
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/guarded", headers=headers, trust_env=False, timeout=60).status_code


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


def test_a_service_with_a_role_of_its_own_works_as_that_with_a_password_of_this_start(
    begin: Start, tmp_path: Path
) -> None:
    (tmp_path / "api-key").write_text("kept\n")
    begin(OWN_ROLE)
    told = (tmp_path / "logs/demo-grants.log").read_text().split()
    *arguments, password, url = told
    schemas = "--read graph --read ci --write public"
    assert " ".join(arguments) == f"grants --role reader {schemas} --apply"
    assert url == GIVEN["database_url"]
    log = (tmp_path / "logs/demo.log").read_text()
    assert f"postgresql+asyncpg://reader:{password}@db/fleet redis://cache/0 1\n" in log
    assert "secret" not in log


@pytest.mark.parametrize("kept", ["kept", "revoked", None])
def test_a_service_that_takes_one_key_is_told_the_good_one_whatever_the_environment_says(
    begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str | None
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "own")
    if kept:
        (tmp_path / "api-key").write_text(f"{kept}\n")
    begin(SERVICE, TOLD)
    good = "kept" if kept == "kept" else "new"
    asked = {
        (name, key): status_of(name, tmp_path, key) for name in ("demo", "told") for key in (good, "own")
    }
    assert asked == {("demo", good): 200, ("told", good): 200, ("demo", "own"): 401, ("told", "own"): 401}
    assert not (tmp_path / "logs/told-migrate.log").exists()


def test_started_without_the_keeper_of_keys_a_service_still_has_one_made_by_it(
    begin: Start, tmp_path: Path
) -> None:
    begin(TOLD)
    assert json.loads((tmp_path / "endpoints.json").read_text()).keys() == {"told"}
    assert status_of("told", tmp_path, (tmp_path / "api-key").read_text().strip()) == 200
    logs = {path.stem for path in (tmp_path / "logs").iterdir()}
    assert logs == {"demo-migrate", "demo-api-keys", "told"}


@pytest.mark.parametrize(
    ("kept", "listed", "good"),
    [
        ("fleet_abc_Secret", [GOOD_FOR_EVER], True),
        ("fleet_abc_Secret", [GOOD_FOR_EVER | {"expires_at": FAR_AHEAD, "revoked_at": FAR_AHEAD}], True),
        ("fleet_abc_Secret", [GOOD_FOR_EVER | {"expires_at": LONG_AGO}], False),
        ("fleet_abc_Secret", [GOOD_FOR_EVER | {"revoked_at": LONG_AGO}], False),
        ("fleet_abc_Secret", [GOOD_FOR_EVER | {"key_id": "ab"}], False),
        ("fleet_abc_Secret", [], False),
        ("fleet_abc_Secrét", [GOOD_FOR_EVER], False),
        ("abc", [GOOD_FOR_EVER], False),
    ],
)
def test_without_the_keeper_running_a_key_is_kept_where_its_list_has_it_as_good(
    begin: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: str,
    listed: list[dict[str, str | None]],
    good: bool,
) -> None:
    monkeypatch.setenv("LISTED", json.dumps(listed))
    (tmp_path / "api-key").write_text(f"{kept}\n")
    begin(TOLD)
    key = (tmp_path / "api-key").read_text().strip()
    assert key == (kept if good else "new")
    assert status_of("told", tmp_path, key) == 200


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("migrate", "demo-migrate"),
        ("api-keys", "demo-api-keys"),
        ("serve", "demo"),
        ("told-serve", "told"),
    ],
)
def test_what_fails_while_starting_is_named_with_its_reason_and_nothing_is_announced(
    begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, name: str
) -> None:
    monkeypatch.setenv("FAULT", fault)
    reason = f"cannot {fault.removeprefix('told-')}"
    with pytest.raises(FleetError, match=rf"^{name} ended with exit code 1\.(?s:.*)\n{reason}$"):
        begin(SERVICE, TOLD)
    assert not (tmp_path / "endpoints.json").exists()
