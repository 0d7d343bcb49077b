""".env.example: it is current, has all there is to set, and every service accepts a copy of it."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from ci_client.settings import Settings as CiClient
from ci_server.settings import Settings as CiServer
from coldquery.settings import Settings as ColdQuery
from dependency_graph.settings import Settings as Graph
from fleet.settings import Settings as FleetUp
from fleet_metadata.settings import Settings as Metadata

ROOT = Path(__file__).parents[1]
SETTINGS = [CiClient, CiServer, ColdQuery, FleetUp, Graph, Metadata]
ASSIGNMENT = re.compile(r"^(#?)([A-Z0-9_]+)=(.*)$", re.MULTILINE)
REQUIRED = {
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "CI_ROLE_PASSWORD", "COLDQUERY_ROLE_PASSWORD"),
    "FLEET_METADATA_TOKEN",
}


@pytest.fixture(scope="module")
def example() -> str:
    return (ROOT / ".env.example").read_text()


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of variables that a file could set, whatever this machine has."""
    for name in {*os.environ} - {"HOME", "PATH"}:
        monkeypatch.delenv(name)


def test_it_is_what_the_settings_and_the_compose_files_say(example: str) -> None:
    printed = subprocess.check_output([sys.executable, ROOT / "compose" / "env_example.py"], text=True)
    assert printed == example, "uv run python compose/env_example.py > .env.example"


def test_every_setting_is_in_it_once(example: str) -> None:
    names = [name for _, name, _ in ASSIGNMENT.findall(example)]
    assert len(names) == len(set(names))
    assert {field.upper() for settings in SETTINGS for field in settings.model_fields} - set(names) == set()


def test_each_line_is_a_heading_an_explanation_or_a_variable_that_is_explained(example: str) -> None:
    lines = example.splitlines()
    for before, line in pairwise(lines):
        assert re.fullmatch(r"|#+ .+|#?[A-Z0-9_]+=.*", line), line
        if ASSIGNMENT.fullmatch(line):
            assert before.startswith("# "), line
        assert len(line) <= 118


def test_only_what_has_to_be_filled_in_is_set_and_nothing_that_is_secret_has_a_value(example: str) -> None:
    assignments = ASSIGNMENT.findall(example)
    assert {name for commented, name, _ in assignments if not commented} == REQUIRED
    secret = re.compile(r"PASSWORD|TOKEN|SECRET|API_KEY|HEADERS")
    assert {name: value for _, name, value in assignments if secret.search(name) and value} == {}


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.__module__)
@pytest.mark.usefixtures("empty_environment")
@pytest.mark.parametrize("what", ["as it is", "with all defaults set"])
def test_a_copy_with_the_passwords_filled_in_is_accepted(
    settings: type[BaseSettings], what: str, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = settings().model_dump()
    for commented, name, value in ASSIGNMENT.findall(example):
        if not commented or what != "as it is":
            monkeypatch.setenv(name, "filled-in" if name in REQUIRED else value)
    changed = {name for name, value in settings().model_dump().items() if value != default[name]}
    assert changed <= {name.lower() for name in REQUIRED}
