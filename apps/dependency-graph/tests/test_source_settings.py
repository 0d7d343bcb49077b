"""What the settings of the sources take and refuse."""

import re

import httpx
import pytest
from inventory_cycles import MemoryToolhive
from pydantic import ValidationError
from running_service import run

from dependency_graph.settings import Settings
from dependency_graph.sources import _access, sources

SECRET = "canary-7f3a"
URL = "http://127.0.0.1:1/prometheus/"


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("otel_graph_ingest_interval_minutes", 1, 1440),
        ("stale_edge_threshold_hours", 1, 87600),
        ("prometheus_timeout_seconds", 0.001, 180),
    ],
)
def test_numbers_have_bounds(name: str, least: float, most: float) -> None:
    for good in (least, most):
        assert sources(Settings.model_validate({name: good}), MemoryToolhive())
    for bad in (0, most + 1, float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            Settings.model_validate({name: bad})


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"prometheus_bearer_token": SECRET, "prometheus_username": "ann"}, "not both"),
        ({"prometheus_password": SECRET}, "set PROMETHEUS_USERNAME as well"),
        ({"prometheus_bearer_token": f"{SECRET}\nx"}, "no HTTP header"),
        ({"prometheus_bearer_token": f"{SECRET}\u00e4"}, "no HTTP header"),
    ],
)
def test_credentials_that_cannot_work_are_refused_and_not_repeated(told: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(reason)) as refused:
        Settings.model_validate(told)
    assert SECRET not in str(refused.value)


def test_the_command_line_says_which_setting_is_wrong() -> None:
    done = run("serve", PROMETHEUS_BEARER_TOKEN=SECRET, PROMETHEUS_USERNAME="ann")
    assert (done.returncode, SECRET in done.stderr) == (2, False)
    assert done.stderr.startswith("Error: PROMETHEUS_USERNAME: set either")


def test_credentials_come_as_they_are_wanted() -> None:
    token = _access(
        Settings.model_validate({"prometheus_url": URL, "prometheus_bearer_token": f"{SECRET}\n"})
    )
    assert (token.url, token.bearer_token, token.auth) == (URL.rstrip("/"), SECRET, None)
    basic = _access(Settings.model_validate({"prometheus_username": "ann", "prometheus_password": SECRET}))
    assert (isinstance(basic.auth, httpx.BasicAuth), basic.bearer_token) == (True, None)
