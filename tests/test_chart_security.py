"""The pods of the chart may do what they need, and no more."""

import ast
import asyncio
import json
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from chart_rendering import (
    KEYS,
    SETS,
    Manifest,
    at,
    containers,
    environment,
    find,
    merged,
    pods,
    rendered,
    titles,
)
from ci_kubernetes_runs import begun, kubernetes_runs
from ci_kubernetes_server import Pod, succeeds

from ci_server.runners import kubernetes as kubernetes_runner
from ci_server.runners.container.configuration import LABEL
from ci_server.runners.kubernetes.api_server import GROUPS, ROLE
from ci_server.runners.kubernetes.manifests import NETWORK_LABEL
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.kubernetes.resources import KINDS

VERBS = {"find": "get", "list": "list", "create": "create", "patch": "patch", "delete": "delete"}
VERB_OF_METHOD = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
VOLUMES_OF_THE_STANDARD = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
Rights = set[tuple[str, str]]


def _rights(title: str, *, group: str | None = None) -> Rights:
    """(verb, resource) of a role."""
    values = at("graph.toolhive.enabled", value=True)
    return {
        (verb, resource)
        for rule in find(title, values)["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if group is None or rule["apiGroups"] == [group]
    }


def _calls_of_the_runner() -> Iterator[tuple[str, ast.expr]]:
    """What it calls of its ApiServer, with the first argument of each."""
    for module in Path(next(iter(kubernetes_runner.__path__))).glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="api" | "_api"), attr=name), args=[kind, *_]
                ):
                    yield name, kind
                case _:
                    pass


def test_the_ci_server_has_the_rights_that_its_code_uses() -> None:
    asked: Rights = set()
    for name, kind in _calls_of_the_runner():
        assert isinstance(kind, ast.Constant), f"{name}: which kind is asked for cannot be told from the code"
        asked.add((VERBS[name], str(kind.value)))
    assert asked == _rights("Role/fleet-ci")
    groups = {kind: path.split("/")[1] if path.startswith("apis") else "" for kind, path in GROUPS.items()}
    assert {resource for _, resource in _rights("Role/fleet-ci", group="batch")} == {"jobs"}
    assert groups == {"jobs": "batch", "pods": "", "secrets": ""}


async def _until_told(pod: Pod) -> None:
    if pod.installs:
        return await succeeds(pod)
    pod.runs()
    await pod.asked_to_end.wait()
    return pod.ends(143)


async def test_a_job_from_its_beginning_to_its_removal_needs_these_rights(tmp_path: Path) -> None:
    async with kubernetes_runs(tmp_path) as runs, asyncio.timeout(60):
        runs.server.lives["*"] = _until_told
        runner = runs.another_runner()
        run = await begun(runner, runs.made())
        await runner.stop(run, 1)
        await runner.exit(run)
        await runner.names()
        await runner.remove(run)
        asked = {(method, path) for method, path, _ in runs.server.asked}
    used = {(_verb(method, path), path.partition("/")[0]) for method, path in asked}
    assert used == _rights("Role/fleet-ci")


def _verb(method: str, path: str) -> str:
    return "list" if method == "GET" and path.endswith("/") else VERB_OF_METHOD[method]


def test_what_the_server_says_of_its_rights_is_what_it_has() -> None:
    said = re.findall(r"(get|list|create|patch|delete|and |, |jobs|pods|secrets)", ROLE)
    waiting: set[str] = set()
    told: Rights = set()
    for word in said:
        if word in GROUPS:
            told |= {(verb, word) for verb in waiting}
            waiting = set()
        elif word in VERB_OF_METHOD.values() or word == "list":
            waiting.add(word)
    assert told == _rights("Role/fleet-ci")


async def test_the_graph_service_has_the_rights_that_the_toolhive_client_uses(tmp_path: Path) -> None:
    lists = {kind.plural: {"kind": f"{kind.name}List", "items": []} for kind in KINDS}
    asked: Rights = set()

    def answer(request: httpx.Request) -> httpx.Response:
        resource = request.url.path.rpartition("/")[2]
        asked.add(("list" if resource in lists else VERB_OF_METHOD[request.method], resource))
        return httpx.Response(200, json=lists[resource])

    with respx.mock(assert_all_called=False) as peer:
        peer.get(url__startswith="http://127.0.0.1:8001/apis/toolhive.stacklok.dev/").mock(side_effect=answer)
        async with KubernetesClient(token_file=tmp_path / "token", ca_file=tmp_path / "ca.crt") as client:
            await client.list_workloads()
    assert asked == _rights("ClusterRole/fleet-fleet-graph")
    assert asked == _rights("ClusterRole/fleet-fleet-graph", group="toolhive.stacklok.dev")


def test_only_pods_that_ask_kubernetes_have_a_token() -> None:
    def with_token(values: Any) -> set[str]:
        return {name for name, pod in pods(rendered(values)) if pod["spec"]["automountServiceAccountToken"]}

    assert with_token({}) == {"fleet-ci"}
    assert with_token(at("graph.toolhive.enabled", value=True)) == {"fleet-ci", "fleet-graph"}
    assert with_token(at("ci.runner", "process")) == set()


def test_without_jobs_in_kubernetes_nobody_has_rights() -> None:
    kinds = {title.partition("/")[0] for title in titles(rendered(at("ci.runner", "process")))}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy"}


def test_rights_are_given_to_the_pods_that_have_the_token() -> None:
    values = merged(at("graph.toolhive.enabled", value=True), at("ci.serviceAccount.name", "theirs"))
    for key, title in (("ci", "RoleBinding/fleet-ci"), ("graph", "ClusterRoleBinding/fleet-fleet-graph")):
        account = find(f"Deployment/fleet-{key}", values)["spec"]["template"]["spec"]["serviceAccountName"]
        assert find(title, values)["subjects"] == [
            {"kind": "ServiceAccount", "name": account, "namespace": "fleet"}
        ]


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_pod_meets_the_restricted_standard(name: str) -> None:
    """kubernetes.io/docs/concepts/security/pod-security-standards."""
    for _, pod in pods(rendered(SETS[name])):
        spec = pod["spec"]
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}
        assert all(volume.keys() - {"name"} <= VOLUMES_OF_THE_STANDARD for volume in spec["volumes"])
        own = spec["securityContext"]
        assert (own["runAsNonRoot"], own["runAsUser"], own["fsGroup"], own["seccompProfile"]) == (
            *(True, 10001, 10001),
            {"type": "RuntimeDefault"},
        )
    for _, container in containers(rendered(SETS[name])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_pod_has_where_to_write_and_says_what_it_needs(name: str) -> None:
    for _, container in containers(rendered(SETS[name])):
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/data"}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_pod_fills_the_disk_of_its_node(name: str) -> None:
    volumes = [volume for _, pod in pods(rendered(SETS[name])) for volume in pod["spec"]["volumes"]]
    assert all(one["emptyDir"] == {"sizeLimit": "1Gi"} for one in volumes if "emptyDir" in one)


@pytest.mark.parametrize("name", sorted(SETS))
def test_variables_of_services_nearby_cannot_be_taken_for_settings(name: str) -> None:
    """Kubernetes gives pods CI_PORT=tcp://… where there is a Service named `ci`."""
    assert all(pod["spec"]["enableServiceLinks"] is False for _, pod in pods(rendered(SETS[name])))


@pytest.mark.parametrize("name", sorted(SETS))
def test_no_manifest_holds_a_secret(name: str) -> None:
    manifests = rendered(SETS[name])
    assert not {"Secret", "ConfigMap"} & {one["kind"] for one in manifests}
    assert not re.search(r"://[^/@\s\"]*:[^/@\s\"]*@", json.dumps(manifests))
    for _, container in containers(manifests):
        for variable, value in environment(container).items():
            assert not re.search("PASSWORD|TOKEN|SECRET", variable) or value.startswith("from ")


def _egress(title: str, values: Manifest) -> list[Manifest]:
    policy = find(title, values)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    return policy.get("egress", [])


def _ports(rules: list[Manifest]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


NAMES, API = {53}, {443, 6443}


@pytest.mark.parametrize(
    ("title", "ports"),
    [
        ("fleet-ci", {5432, 6379, *API}),
        ("fleet-ci-migrate", {5432}),
        ("fleet-graph", {5432, 6379, 9090, 443, 4318}),
        ("fleet-graph-migrate", {5432}),
        ("fleet-sql", {5432, 6379}),
        ("fleet-sql-grants", {5432}),
        ("fleet-sql-migrate", {5432}),
    ],
)
def test_a_service_connects_to_what_its_values_name(title: str, ports: set[int]) -> None:
    values = merged(
        SETS["everything"],
        at("graph.toolhive.enabled", value=False),
        at("graph.settings.PROMETHEUS_URL", "http://prometheus.example:9090/path"),
        at("graph.settings.TOOLHIVE_URL", "https://toolhive.example"),
        at("graph.settings.OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
    )
    assert _ports(_egress(f"NetworkPolicy/{title}", values)) == NAMES | ports


@pytest.mark.parametrize("key", ["graph", "sql"])
def test_what_no_value_names_is_not_reached(key: str) -> None:
    on = at(f"{key}.networkPolicy.enabled", value=True)
    assert _ports(_egress(f"NetworkPolicy/fleet-{key}", on)) == NAMES | {5432}


def test_agents_reach_another_database_by_its_port() -> None:
    values = merged(SETS["everything"], at("sql.queryDatabase", {"host": "elsewhere", "port": 15432}))
    assert _ports(_egress("NetworkPolicy/fleet-sql", values)) == NAMES | {5432, 6379, 15432}


@pytest.mark.parametrize("key", KEYS)
def test_who_may_connect_to_a_service_is_a_value(key: str) -> None:
    title, on = f"NetworkPolicy/fleet-{key}", at(f"{key}.networkPolicy.enabled", value=True)
    [rule] = find(title, on)["spec"]["ingress"]
    assert rule == {"ports": [{"port": "http"}], "from": [{"namespaceSelector": {}}]}
    [rule] = find(title, merged(on, at(f"{key}.networkPolicy.from", [])))["spec"]["ingress"]
    assert "from" not in rule


@pytest.mark.parametrize("network", ["none", "all"])
def test_a_job_is_held_by_the_policy_that_its_label_asks_for(network: str) -> None:
    policy = find(f"NetworkPolicy/fleet-ci-jobs-{network}")["spec"]
    [(_, ci)] = [one for one in containers(rendered()) if one[0] == "fleet-ci"]
    prefix = environment(ci)["CI_CONTAINER_PREFIX"]
    assert policy["podSelector"]["matchLabels"] == {LABEL: prefix, NETWORK_LABEL: network}
    assert "ingress" not in policy


def test_a_job_without_network_reaches_nothing() -> None:
    assert _egress("NetworkPolicy/fleet-ci-jobs-none", {}) == []


@pytest.mark.parametrize("internal", [["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10"], []])
def test_a_job_with_network_reaches_the_internet_alone(internal: list[str]) -> None:
    names, internet = _egress("NetworkPolicy/fleet-ci-jobs-all", at("internalNetworks", internal))
    assert _ports([names]) == NAMES
    blocks = [peer["ipBlock"] for peer in internet["to"]]
    metadata = ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "fe80::1"]
    for address in [*metadata, *(network.partition("/")[0] for network in internal)]:
        assert not any(_reaches(block, address) for block in blocks), address
    for address in ("151.101.0.223", "2a04:4e42::223"):
        assert any(_reaches(block, address) for block in blocks), address


def _reaches(block: Manifest, address: str) -> bool:
    found = ip_address(address)
    return found in ip_network(block["cidr"]) and not any(found in ip_network(one) for one in block["except"])
