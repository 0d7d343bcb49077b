"""Values that cannot work are refused, and releases keep apart."""

import re
from typing import Any

import pytest
from chart_rendering import (
    CHART,
    KEYS,
    NO_CHART,
    SETS,
    Manifest,
    Values,
    at,
    containers,
    merged,
    pods,
    rendered,
    titles,
)

LONG = "a-release-whose-name-is-as-long-as-helm-takes-them-up"
"""53 characters."""
OF_A_SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
REFUSED: list[tuple[Values, str]] = [
    (at("grpah.enabled", value=True), "grpah"),
    (at("graph.replicas", 3), "/graph'.*replicas"),
    (at("graph.replicaCount", "three"), "/graph/replicaCount"),
    (at("graph.image.tag", 1.5), "/graph/image/tag"),
    # Each image has a digest of its own.
    (at("image.tag", f"sha256:{'a' * 64}"), "/image/tag"),
    # It would hold up every drain.
    (at("graph.podDisruptionBudget.maxUnavailable", "0%"), "/graph/podDisruptionBudget/maxUnavailable"),
    (at("graph.image.name", "x"), "/graph/image'.*name"),
    (at("graph.settings.LOG_LEVL", "DEBUG"), "/graph/settings'.*LOG_LEVL"),
    (at("graph.settings.LOG_LEVEL", "debug"), "/graph/settings/LOG_LEVEL"),
    (at("graph.settings.DB_POOL_SIZE", 0), "/graph/settings/DB_POOL_SIZE"),
    (at("graph.settings.DB_POOL_SIZE", "20"), "/graph/settings/DB_POOL_SIZE"),
    (at("graph.settings.DATABASE_URL", "postgresql://x"), "DATABASE_URL"),
    (at("graph.settings.PROMETHEUS_BEARER_TOKEN", "secret"), "PROMETHEUS_BEARER_TOKEN"),
    (at("ci.settings.CI_WEBHOOK_SECRET", "secret"), "CI_WEBHOOK_SECRET"),
    (at("sql.settings.CI_MAX_JOBS", 1), "CI_MAX_JOBS"),
    (at("externalDatabase.password", "secret"), "/externalDatabase'.*password"),
    (at("externalDatabase.host", "postgresql://db"), "/externalDatabase/host"),
    (at("externalDatabase.port", 70000), "/externalDatabase/port"),
    (at("sql.queryDatabase.sslMode", "on"), "/sql/queryDatabase/sslMode"),
    (at("externalRedis.url", "redis://x"), "/externalRedis'.*url"),
    (at("ci.runner", "container"), "/ci/runner"),
    (at("ci.persistence.accessModes", []), "/ci/persistence/accessModes"),
    # The pods of jobs could not mount it beside the server.
    (at("ci.persistence.accessModes", ["ReadWriteOncePod"]), "/ci/persistence/accessModes/0"),
    (at("graph.ingress.enabled", value=True), "/graph/ingress/hosts"),
    (at("graph.ingress.hosts", ["graph.example.com"]), "/graph/ingress/hosts/0"),
    (at("graph.resources.limits.memory", "1 GB"), "/graph/resources/limits/memory"),
    (at("graph.metrics.serviceMonitor.interval", "often"), "/graph/metrics/serviceMonitor/interval"),
    (at("internalNetworks", ["10.0.0.1"]), "/internalNetworks/0"),
    (
        merged(at("ci.replicaCount", 2), at("ci.persistence.accessModes", ["ReadWriteOnce"])),
        "more than one replica needs ReadWriteMany",
    ),
    (
        merged(at("ci.autoscaling.enabled", value=True), at("ci.persistence.accessModes", ["ReadWriteOnce"])),
        "more than one replica needs ReadWriteMany",
    ),
    (
        merged(at("fullnameOverride", "x"), at("metrics.prometheusRule.enabled", value=True)),
        "the alerts know Fleet by",
    ),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=str)
def test_a_value_that_cannot_work_is_refused_by_its_name(values: Values, message: str) -> None:
    helm = pytest.importorskip("helm_python", reason=NO_CHART)
    with pytest.raises(helm.HelmError) as refusal:
        rendered(values)
    assert re.search(message, str(refusal.value))


def _lines_with_values() -> list[str]:
    text = re.sub(
        r"(?ms)^(pod|container)SecurityContext:.*?(?=^\S|\Z)", "", (CHART / "values.yaml").read_text()
    )
    return [line for line in text.splitlines() if re.match(r" *[\w-]+: *[^ #\n]", line)]


def test_every_value_has_a_line_that_says_what_it_is() -> None:
    assert [line for line in _lines_with_values() if "  # " not in line] == []


@pytest.mark.parametrize("name", ["fleet", LONG, f"{LONG[:-4]}.1.2"])
def test_names_are_short_enough(name: str) -> None:
    for manifest in rendered(SETS["everything"], name=name):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", manifest["metadata"]["name"])
        for value in manifest["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", value)


@pytest.mark.parametrize(
    ("one", "other"),
    [("fleet", "fleet-two"), ("fleet", "two"), (f"{LONG[:-1]}1", f"{LONG[:-1]}2"), ("a.b", "a.c")],
)
def test_two_releases_in_a_namespace_do_not_collide(one: str, other: str) -> None:
    first, second = (rendered(SETS["everything"], name=name) for name in (one, other))
    assert not titles(first) & titles(second)
    assert not _selectors(first) & _selectors(second)
    assert not _prefixes(first) & _prefixes(second)


def test_two_releases_of_one_name_do_not_share_what_is_of_the_cluster() -> None:
    clusterwide = [
        {title for title in titles(rendered(SETS["everything"], namespace=namespace)) if "Cluster" in title}
        for namespace in ("one", "two")
    ]
    assert clusterwide[0]
    assert not clusterwide[0] & clusterwide[1]


def _selectors(manifests: list[Manifest]) -> set[tuple[tuple[str, str], ...]]:
    found: list[dict[str, str]] = [
        one["spec"]["selector"]["matchLabels"] for one in manifests if one["kind"] == "Deployment"
    ]
    return {tuple(sorted(one.items())) for one in found}


def _prefixes(manifests: list[Manifest]) -> set[Any]:
    return {
        one["value"]
        for name, container in containers(manifests)
        if name.endswith("-ci")
        for one in container["env"]
        if one["name"] == "CI_CONTAINER_PREFIX"
    }


def test_selectors_stay_the_same_from_version_to_version() -> None:
    for manifest in rendered(SETS["everything"]):
        if manifest["kind"] == "Deployment":
            assert manifest["spec"]["selector"]["matchLabels"].keys() == OF_A_SELECTOR
        if manifest["kind"] == "Service":
            assert manifest["spec"]["selector"].keys() == OF_A_SELECTOR


def test_pods_of_hooks_are_of_no_service() -> None:
    components = {
        name: pod["metadata"]["labels"]["app.kubernetes.io/component"] for name, pod in pods(rendered())
    }
    hooks = {component for name, component in components.items() if "migrate" in name or "grants" in name}
    assert hooks == {*(f"{key}-migrate" for key in KEYS), "sql-grants"}
