"""The dashboard for Grafana: it can be imported, and shows what the service really tells."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations, count
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from running_service import RunningService

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana" / "dependency-graph.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
PROMTOOL = shutil.which("promtool")

# Of PromQL: what is quoted or in braces, ranges, groupings; what is left and no function is a metric.
_NO_METRICS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)")
_NAME = re.compile(r"\b[a-z_][a-z0-9_]*\b(?! *\()")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads(DASHBOARD.read_text())


def _charts(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """With Grafana's variables replaced, as it does before it asks."""
    for panel in _charts(dashboard):
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")


def _told(families: list[Metric]) -> set[str]:
    return {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES.get(family.type, ())}


def test_every_metric_that_is_shown_is_told_by_a_running_service(
    dashboard: dict[str, Any], database_url: str, tmp_path: Path
) -> None:
    names = {name for text in _expressions(dashboard) for name in _NAME.findall(_NO_METRICS.sub("", text))}
    settings = {"API_WORKERS": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with RunningService(tmp_path, DATABASE_URL=database_url, **settings) as service:
        accept = {"Accept": "application/openmetrics-text"}
        text = httpx.get(f"{service.url}/metrics", headers=accept, trust_env=False, timeout=60).text
    assert len(names) > 15
    assert names <= _told(list(text_string_to_metric_families(text)))


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_understands_every_expression(dashboard: dict[str, Any], tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{n}", "expr": text}
        for n, text in zip(count(), _expressions(dashboard), strict=False)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run(
        [PROMTOOL or "promtool", "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for place in (panel["gridPos"] for panel in dashboard["panels"]):
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(dashboard["panels"], 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_everything_is_asked_of_the_datasource_that_is_chosen(dashboard: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asked = [thing["datasource"] for panel in _charts(dashboard) for thing in (panel, *panel["targets"])]
    assert asked
    assert all(datasource == chosen for datasource in asked)
    assert not {"__inputs", "__requires", "id"} & dashboard.keys()


def test_latencies_lead_to_traces(dashboard: dict[str, Any]) -> None:
    traced = {"http_request_duration_seconds_bucket", "graph_traversal_duration_seconds_bucket"}
    for target in (target for panel in _charts(dashboard) for target in panel["targets"]):
        assert target["exemplar"] == any(name in target["expr"] for name in traced), target["expr"]
