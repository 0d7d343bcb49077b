"""The chart installs what it is told to, and Kubernetes takes it."""

import json
from functools import cache
from typing import Any

import pytest
import yaml
from chart_rendering import (
    CHART,
    KEYS,
    NO_CHART,
    SETS,
    Manifest,
    Values,
    at,
    find,
    merged,
    pods,
    rendered,
    titles,
)
from jsonschema import Draft202012Validator

OLDEST, NEWEST = "1.29", "1.37"
SUPPORTED = [OLDEST, NEWEST]
VERSION: str = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    needed = list(required or properties)
    return {"type": "object", "additionalProperties": False, "required": needed, "properties": properties}


# As github.com/prometheus-operator/prometheus-operator, Documentation/api-reference/api.md has them.
_ENDPOINT = _closed({"port": {"const": "http"}, "path": {"const": "/metrics"}, "interval": TEXT})
_RULE = _closed(
    {
        "alert": TEXT,
        "expr": TEXT,
        "for": TEXT,
        "keep_firing_for": TEXT,
        "labels": TEXTS,
        "annotations": TEXTS,
    },
    *("alert", "expr", "labels", "annotations"),
)
_GROUP = _closed(
    {"name": TEXT, "interval": TEXT, "rules": {"type": "array", "items": _RULE, "minItems": 1}},
    *("name", "rules"),
)
OF_THE_OPERATOR = {
    "ServiceMonitor": _closed(
        {"selector": _closed({"matchLabels": TEXTS}), "endpoints": {"type": "array", "items": _ENDPOINT}}
    ),
    "PrometheusRule": _closed({"groups": {"type": "array", "items": _GROUP, "minItems": 1}}),
}

OPTIONS: dict[str, list[str]] = {
    **{f"{key}.enabled": [f"Deployment/fleet-{key}", f"Service/fleet-{key}"] for key in KEYS},
    **{f"{key}.ingress.enabled": [f"Ingress/fleet-{key}"] for key in KEYS},
    **{f"{key}.autoscaling.enabled": [f"HorizontalPodAutoscaler/fleet-{key}"] for key in KEYS},
    **{f"{key}.podDisruptionBudget.enabled": [f"PodDisruptionBudget/fleet-{key}"] for key in KEYS},
    **{
        f"{key}.networkPolicy.enabled": [f"NetworkPolicy/fleet-{key}", f"NetworkPolicy/fleet-{key}-migrate"]
        for key in KEYS
    },
    **{f"{key}.metrics.serviceMonitor.enabled": [f"ServiceMonitor/fleet-{key}"] for key in KEYS},
    **{f"{key}.serviceAccount.create": [f"ServiceAccount/fleet-{key}"] for key in KEYS},
    "migrations.enabled": [f"Job/fleet-{key}-migrate" for key in KEYS],
    "metrics.prometheusRule.enabled": ["PrometheusRule/fleet-alerts"],
    "graph.toolhive.enabled": ["ClusterRole/fleet-fleet-graph", "ClusterRoleBinding/fleet-fleet-graph"],
    "sql.grants.enabled": ["Job/fleet-sql-grants", "NetworkPolicy/fleet-sql-grants"],
    "ci.jobNetworkPolicy.enabled": ["NetworkPolicy/fleet-ci-jobs-all", "NetworkPolicy/fleet-ci-jobs-none"],
}
ON_BY_DEFAULT = {
    *(f"{key}.{option}" for key in KEYS for option in ("enabled", "serviceAccount.create")),
    *(
        "graph.podDisruptionBudget.enabled",
        "migrations.enabled",
        "sql.grants.enabled",
        "ci.jobNetworkPolicy.enabled",
    ),
}


@pytest.mark.parametrize("name", sorted(SETS))
def test_lint_finds_nothing(name: str) -> None:
    helm = pytest.importorskip("helm_python", reason=NO_CHART)
    report = helm.lint(CHART, SETS[name], strict=True, kube_version=f"v{OLDEST}.0")
    assert report["errors"] == []
    assert {one["error"] for one in report["messages"]} <= {"icon is recommended"}


# Bare, YAML takes each of these for something else than text, or for none of it.
@pytest.mark.parametrize("name", ["on", "123", "1e3"])
def test_text_that_looks_like_something_else_stays_text(name: str) -> None:
    host = at("hosts", [{"host": "*.example.com", "paths": [{"path": "/a: b #c"}]}])
    values = merged(
        SETS["everything"],
        *(at(f"{key}.ingress", merged(host, {"className": name})) for key in KEYS),
        at("externalDatabase", {"existingSecret": name, "existingSecretPasswordKey": name}),
        at("nameOverride", name),
        at("fullnameOverride", f"{name}-fleet"),
        at("ci.persistence.storageClass", name),
        *(at(f"{key}.serviceAccount.name", name) for key in KEYS),
    )
    for manifest in rendered(values, name=name, namespace=name):
        if manifest["kind"] not in OF_THE_OPERATOR:
            _validate(json.dumps(manifest), NEWEST)
    [rule] = find(f"Ingress/{name}-fleet-graph", values, name=name, namespace=name)["spec"]["rules"]
    assert (rule["host"], rule["http"]["paths"][0]["path"]) == ("*.example.com", "/a: b #c")


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("name", sorted(SETS))
def test_kubernetes_takes_every_manifest(name: str, version: str) -> None:
    for manifest in rendered(SETS[name]):
        if manifest["kind"] not in OF_THE_OPERATOR:
            _validate(json.dumps(manifest), version)


@cache
def _validate(manifest: str, version: str) -> None:
    """Raises what is wrong with it; many sets have the same ones."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    kubernetes.validate(json.loads(manifest), version, strict=True)


def test_the_newest_kubernetes_that_can_be_checked_is() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    assert kubernetes.latest_version().startswith(NEWEST)
    assert f'kubeVersion: ">={OLDEST}.0-0"' in (CHART / "Chart.yaml").read_text()


@pytest.mark.parametrize("kind", sorted(OF_THE_OPERATOR))
def test_the_prometheus_operator_takes_what_is_for_it(kind: str) -> None:
    found = [one for one in rendered(SETS["everything"]) if one["kind"] == kind]
    assert len(found) == {"ServiceMonitor": len(KEYS), "PrometheusRule": 1}[kind]
    for one in found:
        assert one["apiVersion"] == "monitoring.coreos.com/v1"
        Draft202012Validator(OF_THE_OPERATOR[kind]).validate(one["spec"])


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_an_option_brings_its_resources_and_takes_them_away(option: str) -> None:
    its = set(OPTIONS[option])
    assert its <= titles(rendered(SETS["everything"]))
    assert not its & titles(rendered(merged(SETS["everything"], at(option, value=False))))


def test_what_is_on_by_default_is_known() -> None:
    there = titles(rendered())
    assert {option for option, its in OPTIONS.items() if its[0] in there} == ON_BY_DEFAULT


@pytest.mark.parametrize("name", sorted(SETS))
def test_selectors_match_labels(name: str) -> None:
    manifests = rendered(SETS[name])
    labels = [pod["metadata"]["labels"] for _, pod in pods(manifests)]
    services = [one["metadata"]["labels"] for one in manifests if one["kind"] == "Service"]
    for one in manifests:
        for selector in _selectors(one):
            among = services if one["kind"] == "ServiceMonitor" else labels
            assert len([found for found in among if selector.items() <= found.items()]) == 1, one["metadata"]


def _selectors(manifest: Manifest) -> list[dict[str, str]]:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Service":
            return [spec["selector"]]
        case "Deployment":
            spreads = spec["template"]["spec"].get("topologySpreadConstraints", [])
            return [
                one["matchLabels"] for one in (spec["selector"], *(one["labelSelector"] for one in spreads))
            ]
        case "PodDisruptionBudget" | "ServiceMonitor":
            return [spec["selector"]["matchLabels"]]
        case "NetworkPolicy" if "jobs" not in manifest["metadata"]["name"]:
            return [spec["podSelector"]["matchLabels"]]
        case _:
            return []


@pytest.mark.parametrize("key", KEYS)
def test_a_deployment_rolls_without_a_gap(key: str) -> None:
    spec = find(f"Deployment/fleet-{key}")["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    [container] = spec["template"]["spec"]["containers"]
    [*_, pause] = container["lifecycle"]["preStop"]["exec"]["command"]
    seconds_to_stop = 10
    assert int(pause) + seconds_to_stop < spec["template"]["spec"]["terminationGracePeriodSeconds"]
    assert [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")] == [
        {"path": path, "port": "http"} for path in ("/livez", "/livez", "/readyz")
    ]


@pytest.mark.parametrize("key", KEYS)
def test_a_pod_has_two_minutes_to_start_and_half_of_one_to_hang(key: str) -> None:
    [container] = find(f"Deployment/fleet-{key}")["spec"]["template"]["spec"]["containers"]
    patience = {
        kind: container[f"{kind}Probe"]["periodSeconds"] * container[f"{kind}Probe"]["failureThreshold"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert patience == {"startup": 120, "liveness": 30, "readiness": 10}


def test_a_volume_of_one_node_is_let_go_before_the_next_pod() -> None:
    values = at("ci.persistence.accessModes", ["ReadWriteOnce"])
    assert find("Deployment/fleet-ci", values)["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("key", KEYS)
def test_an_autoscaler_is_not_overruled(key: str) -> None:
    values = at(f"{key}.autoscaling.enabled", value=True)
    assert "replicas" not in find(f"Deployment/fleet-{key}", values)["spec"]
    spec = find(f"HorizontalPodAutoscaler/fleet-{key}", values)["spec"]
    assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == ("Deployment", f"fleet-{key}")
    assert [metric["resource"] for metric in spec["metrics"]] == [
        {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    ]


def test_the_database_is_migrated_before_anything_else_is_installed() -> None:
    weights = {
        title: int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in rendered(SETS["everything"])
        for title in titles([one])
        if "helm.sh/hook" in one["metadata"].get("annotations", {})
    }
    assert {title for title, weight in weights.items() if weight == 0} == {
        f"Job/fleet-{key}-migrate" for key in KEYS
    }
    assert weights["Job/fleet-sql-grants"] > 0
    assert all(weight < 0 for title, weight in weights.items() if title.startswith("NetworkPolicy"))


@pytest.mark.parametrize("key", KEYS)
def test_a_migration_is_tried_again_but_not_for_ever(key: str) -> None:
    job = find(f"Job/fleet-{key}-migrate")
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        "helm.sh/hook-weight": "0",
    }
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (4, 600)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]


def test_a_client_is_kept_on_the_pod_that_has_its_session() -> None:
    affinity = {key: find(f"Service/fleet-{key}")["spec"].get("sessionAffinity") for key in KEYS}
    assert affinity == {"ci": None, "graph": None, "sql": "ClientIP"}


def test_the_files_of_jobs_outlive_the_release() -> None:
    claim = find("PersistentVolumeClaim/fleet-ci")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    theirs = rendered(at("ci.persistence.existingClaim", "theirs"))
    assert "PersistentVolumeClaim/fleet-ci" not in titles(theirs)


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, f"ghcr.io/fleet/dependency-graph:{VERSION}"),
        (
            at("image", {"registry": "registry.example/x", "tag": "2"}),
            "registry.example/x/dependency-graph:2",
        ),
        (at("graph.image.tag", "3"), "ghcr.io/fleet/dependency-graph:3"),
        (
            at("graph.image.tag", f"sha256:{'a' * 64}"),
            f"ghcr.io/fleet/dependency-graph@sha256:{'a' * 64}",
        ),
    ],
    ids=["default", "all", "one", "digest"],
)
def test_an_image_is_named_by_the_most_specific_value(values: Values, image: str) -> None:
    for title in ("Deployment/fleet-graph", "Job/fleet-graph-migrate"):
        assert find(title, values)["spec"]["template"]["spec"]["containers"][0]["image"] == image
