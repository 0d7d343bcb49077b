"""Prints docs/alerts.md, out of the alerting rules.

uv run python compose/alerts_page.py > docs/alerts.md
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import yaml

RULES = Path(__file__).parents[1] / "helm" / "fleet" / "files" / "alerts.yaml"
HEAD = """\
# Alerts

What Prometheus tells of Fleet when it is in trouble, and what to do then. The rules are in
[`helm/fleet/files/alerts.yaml`](../helm/fleet/files/alerts.yaml): the Prometheus of [compose](compose.md) loads them,
and the chart makes a `PrometheusRule` of them with `metrics.prometheusRule.enabled`. In a Prometheus of your own, name
the jobs `fleet-graph`, `fleet-ci`, `fleet-sql` and `fleet-metadata`; the chart's other names, such as
`prod-fleet-graph`, count too. `promtool check rules` checks the file, and `promtool test rules tests/alert_cases*.yaml`
what the rules do.

`critical` is for whoever is on call, `warning` for the next working day, `info` for a dashboard. Fleet sends nothing
itself: that is what an [Alertmanager](https://prometheus.io/docs/alerting/latest/alertmanager/) is for. How full disks
are is told by node-exporter or, in Kubernetes, by `kubelet_volume_stats_available_bytes`; watch those of PostgreSQL and
of `CI_DATA_DIR`.
"""
_OPERATORS = re.compile(r" (?=(?:/|unless|and|>|==) )")
_STRINGS = re.compile(r'"[^"]*"')
_NO_METRICS = re.compile(
    r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on) \([^)]*\)|\b(?:unless|and|or|offset)\b(?: \d+[a-z])?"
)
_NAME = re.compile(r"\b[a-z_][a-z0-9_]*\b(?! *\()")


def metrics(expression: str) -> Sequence[str]:
    """The names of the metrics in an expression of PromQL, each once."""
    return list(dict.fromkeys(_NAME.findall(_NO_METRICS.sub(" ", _STRINGS.sub('""', expression)))))


def rules() -> Sequence[Mapping[str, Any]]:
    """All rules, in the order of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def text() -> str:
    """What docs/alerts.md has to be."""
    return "\n".join([HEAD, *_table(), "", *(_section(rule) for rule in rules())]).rstrip() + "\n"


def _table() -> Iterator[str]:
    yield "| alert | severity | metric |"
    yield "|---|---|---|"
    for rule in rules():
        told = ", ".join(f"`{name}`" for name in metrics(rule["expr"]))
        yield f"| [{rule['alert']}](#{rule['alert'].lower()}) | {rule['labels']['severity']} | {told} |"


def _section(rule: Mapping[str, Any]) -> str:
    lasting = f", once it has lasted for {rule['for']}" if "for" in rule else ""
    description = fill(
        rule["annotations"]["description"], 118, break_long_words=False, break_on_hyphens=False
    )
    expression = "\n".join(line.rstrip() for line in _OPERATORS.sub("\n", rule["expr"]).splitlines())
    return f"## {rule['alert']}\n\n{description}\n\n`{rule['labels']['severity']}`{lasting}:\n\n```promql\n{expression}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(text())
