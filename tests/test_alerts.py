"""The alerts: Prometheus takes them, they fire when they should, and ask for nothing that no service tells."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "helm" / "fleet" / "files" / "alerts.yaml"
CASES = [ROOT / "tests" / name for name in ("alert_cases.yaml", "alert_cases_of_days.yaml")]
DASHBOARD = ROOT / "docs" / "grafana" / "dependency-graph.json"
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_EVERY_SERIES = {"job", "instance"}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus"
)
# What each service tells, by its registry once it is imported, and by what it finds out at each scrape.
TOLD = {
    "graph": """
import dependency_graph.app
from types import SimpleNamespace
from dependency_graph.infrastructure import graph_metrics
sizes = dict.fromkeys(("discovered_services", "registered_services", "stale_dependencies", "fresh_dependencies"), 1)
success = SimpleNamespace(source="staleness", finished_at=1)
found = [*graph_metrics._sizes(SimpleNamespace(open_cycles=1, **sizes)), graph_metrics._last_successes([success])]
""",
    "ci": """
import asyncio, ci_server.app
from ci_server.queue_metrics import QueueMetrics
class Store:
    async def counts(self, wanted):
        return dict.fromkeys(wanted, 1)
found = asyncio.run(QueueMetrics(Store()).collect())
""",
    "sql": "import coldquery.app; found = []",
    "metadata": "import fleet_metadata.app; found = []",
}
TELL = """
import json, observability.tracing
from prometheus_client import REGISTRY
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
told = {}
for metric in {*REGISTRY._collector_to_names}:
    for family in (metric.describe() if hasattr(metric, "_labelnames") else metric.collect()):
        for suffix in SUFFIXES.get(family.type, ()):
            told[family.name + suffix] = [*getattr(metric, "_labelnames", ()), *(["le"] if suffix == "_bucket" else [])]
for family in found:
    told[family.name] = sorted({label for sample in family.samples for label in sample.labels})
print(json.dumps(told))
"""


def _script(name: str) -> Any:
    spec = spec_from_file_location(name, ROOT / "compose" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


page = _script("alerts_page")
EXPRESSIONS: dict[str, str] = {rule["alert"]: rule["expr"] for rule in page.rules()}


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, set[str]]]:
    """Of each service the names of the series that it tells, and their labels."""
    running = {
        service: subprocess.Popen([sys.executable, "-c", code + TELL], stdout=subprocess.PIPE, text=True)
        for service, code in TOLD.items()
    }
    answers = {
        service: json.loads(process.communicate(timeout=120)[0]) for service, process in running.items()
    }
    return {
        service: {name: set(labels) for name, labels in series.items()} for service, series in answers.items()
    }


def _services(expression: str) -> set[str]:
    """Those that all selectors of the expression are about."""
    jobs = set(re.findall(r'job=~"\.\*fleet\.\*-([^"]*)"', expression))
    assert len(jobs) == 1, f"one job: {expression}"
    return set(jobs.pop().strip("()").split("|"))


def _labels(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of an expression, with the labels that it picks them by."""
    for name, selector in re.findall(r"([a-z_]+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r"([a-z_]+)[=!]~?\"", selector))


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{len(EXPRESSIONS)} rules found" in checked.stdout


@needs_promtool
def test_each_alert_fires_when_it_should_and_is_silent_otherwise() -> None:
    tested = subprocess.run(
        ["promtool", "test", "rules", *CASES], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_has_a_case_of_a_job_for_which_it_fires_and_of_another_for_which_it_does_not() -> None:
    cases = [case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]]
    tested = [re.findall(r'alertname="(\w+)"', case["promql_expr_test"][-1]["expr"]) for case in cases]
    assert sorted(alert for [alert] in tested) == sorted(EXPRESSIONS)
    for case in cases:
        [sample] = case["promql_expr_test"][-1]["exp_samples"]
        jobs = set(
            re.findall(r'job="([^"]+)"', " ".join(series["series"] for series in case["input_series"]))
        )
        assert len(jobs) >= 2
        assert sum(f'"{job}"' in sample["labels"] for job in jobs) == 1


@pytest.mark.parametrize("alert", list(EXPRESSIONS))
def test_each_metric_that_is_asked_for_is_told_by_every_service_that_it_is_asked_of(
    alert: str, told: dict[str, dict[str, set[str]]]
) -> None:
    expression = EXPRESSIONS[alert]
    names = page.metrics(expression)
    assert names
    for service in _services(expression):
        assert set(names) <= told[service].keys() | OF_PROMETHEUS.keys(), service
        for name, labels in _labels(expression):
            assert labels <= told[service].get(name, set()) | OF_EVERY_SERIES, (service, name)


def test_each_metric_of_the_dashboard_is_told_by_the_graph_service(
    told: dict[str, dict[str, set[str]]],
) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [
        target["expr"].replace("$__rate_interval", "5m")
        for panel in panels
        for target in panel.get("targets", ())
    ]
    names = {name for expression in asked for name in page.metrics(expression)}
    assert len(names) > 15
    assert names <= told["graph"].keys()


def test_every_alert_says_how_grave_it_is_what_it_means_and_where_more_is_told() -> None:
    for rule in page.rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        told = rule["annotations"]
        assert told.keys() == {"summary", "description", "runbook_url"}
        assert told["runbook_url"].endswith(f"/docs/alerts.md#{rule['alert'].lower()}")
        # The page has it as it stands.
        assert "{{" not in told["description"]


def test_the_page_of_the_alerts_is_that_of_the_rules() -> None:
    assert (ROOT / "docs" / "alerts.md").read_text() == page.text(), (
        "uv run python compose/alerts_page.py > docs/alerts.md"
    )
