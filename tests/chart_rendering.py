"""The chart, rendered; what was rendered once is kept."""

import json
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
Values = dict[str, Any]
ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "fleet"
KEYS = ("ci", "graph", "sql")
POD_KINDS = {"Deployment", "Job"}
NO_CHART = "helm-python-sdk is not installed"


def values_in(file: str) -> Values:
    """Of a file beside the chart."""
    return yaml.load((CHART.parent / file).read_text(), yaml.CSafeLoader)


def at(path: str, value: object) -> Values:
    """`value` at a path such as `graph.ingress.enabled`."""
    return reduce(lambda inner, name: {name: inner}, reversed(path.split(".")), value)  # pyright: ignore[reportReturnType]


def merged(*several: Mapping[str, Any]) -> Values:
    """The later ones go before, as they do on a command line."""
    both: Values = {}
    for values in several:
        for name, value in values.items():
            both[name] = merged(both[name], value) if _are_maps(both.get(name), value) else value
    return both


def _are_maps(one: object, other: object) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)


def ingress_of(key: str) -> Values:
    return at(f"{key}.ingress", {"enabled": True, "hosts": [{"host": f"{key}.example.com"}]})


def everything() -> Values:
    """All that is optional."""
    optional = ("autoscaling", "podDisruptionBudget", "networkPolicy", "metrics.serviceMonitor")
    switches = [at(f"{key}.{option}.enabled", True) for key in KEYS for option in optional]
    return merged(
        *switches,
        *map(ingress_of, KEYS),
        at("metrics.prometheusRule.enabled", True),
        at("graph.toolhive.enabled", True),
        at("externalRedis", {"host": "redis", "existingSecret": "fleet-redis"}),
        at("imagePullSecrets", [{"name": "registry"}]),
    )


SETS: dict[str, Values] = {
    "default": {},
    "everything": everything(),
    "large": values_in("large.yaml"),
    "staging": values_in("staging.yaml"),
}


def rendered(values: Values | None = None, name: str = "fleet", namespace: str = "fleet") -> list[Manifest]:
    """The manifests; raises what helm says of values that it does not take."""
    return json.loads(_rendered(json.dumps(values or {}), name, namespace))


@cache
def _rendered(values: str, name: str, namespace: str) -> str:
    files = _chart().render(json.loads(values), name=name, namespace=namespace)
    texts = [text for file, text in sorted(files.items()) if file.endswith(".yaml")]
    return json.dumps([one for text in texts for one in yaml.load_all(text, yaml.CSafeLoader) if one])


@cache
def _chart() -> Any:
    return pytest.importorskip("helm_python", reason=NO_CHART).Chart.load(CHART)


def titles(manifests: list[Manifest]) -> set[str]:
    """`Service/fleet-graph` and so on."""
    return {f"{one['kind']}/{one['metadata']['name']}" for one in manifests}


def find(title: str, values: Values | None = None, **release: str) -> Manifest:
    """The manifest `Deployment/fleet-graph`."""
    [found] = [one for one in rendered(values, **release) if titles([one]) == {title}]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The templates of pods, each with the name of what makes it."""
    for one in manifests:
        if one["kind"] in POD_KINDS:
            yield one["metadata"]["name"], one["spec"]["template"]


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods(manifests):
        for container in pod["spec"]["containers"]:
            yield name, container


def environment(container: Manifest) -> dict[str, str]:
    """Its variables; what comes of a secret is `from <secret>`."""
    return {
        one["name"]: one["value"] if "value" in one else f"from {one['valueFrom']['secretKeyRef']['name']}"
        for one in container["env"]
    }
