"""What the pods get as their environment is what the services take."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from chart_rendering import (
    CHART,
    KEYS,
    SETS,
    Values,
    at,
    containers,
    environment,
    find,
    ingress_of,
    merged,
    pods,
    rendered,
    titles,
)
from chart_settings import ELSEWHERE, OF_THE_CHART, OF_THE_SERVICE, SETTINGS, schema_of_settings
from pydantic_settings import BaseSettings
from uvicorn.middleware.proxy_headers import _TrustedHosts  # pyright: ignore[reportPrivateUsage]

from api_access import asyncpg_url
from ci_server.runners.kubernetes.kubernetes_runner import LONGEST_PREFIX

OF_THE_DRIVER = {"PGPASSWORD", "PGSSLMODE"}
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def _service_of(container: str) -> str:
    return next(key for key in KEYS if f"-{key}" in container)


def _read(service: str, variables: Mapping[str, str], patch: pytest.MonkeyPatch) -> Any:
    """The settings of a service whose environment has these alone."""
    for name in SETTINGS[service].model_fields:
        patch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        patch.setenv(name, value)
    return SETTINGS[service]()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def settings_of(service: str, values: Values | None = None, **release: str) -> Any:
        found = find(f"Deployment/{release.get('name', 'fleet')}-{service}", values, **release)
        return _read(service, environment(found["spec"]["template"]["spec"]["containers"][0]), monkeypatch)

    return settings_of


@pytest.mark.parametrize("service", KEYS)
def test_the_schema_names_the_settings_of_the_service(service: str) -> None:
    named = SCHEMA["properties"][service]["properties"]["settings"]
    assert named["additionalProperties"] is False
    assert named["properties"] == schema_of_settings(service)


def test_every_setting_that_the_schema_leaves_out_is_there_to_be_left_out() -> None:
    there = {name.upper() for kind in SETTINGS.values() for name in kind.model_fields}
    assert OF_THE_CHART | ELSEWHERE | {name for names in OF_THE_SERVICE.values() for name in names} <= there


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_pod_has_an_environment_that_its_service_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for container, spec in containers(rendered(SETS[name])):
        variables, service = environment(spec), _service_of(container)
        unknown = {one for one in variables if not one.startswith("OTEL_")} - OF_THE_DRIVER
        assert unknown <= {one.upper() for one in SETTINGS[service].model_fields}
        with monkeypatch.context() as patch:
            assert isinstance(_read(service, variables, patch), BaseSettings)


def test_all_services_look_keys_up_in_one_database(read: Any) -> None:
    graph, ci, sql = read("graph"), read("ci"), read("sql")
    assert graph.database_url == ci.access_database_url == ci.ci_database_url
    assert graph.database_url == sql.access_database_url.get_secret_value()
    assert asyncpg_url(graph.database_url).render_as_string() == (
        "postgresql+asyncpg://fleet@postgresql:5432/fleet?ssl=prefer"
    )


def test_agents_ask_the_same_database_as_another_user(read: Any) -> None:
    values = at("externalDatabase", {"host": "db.example", "port": 6432, "sslMode": "require"})
    sql = read("sql", values)
    assert sql.database().render_as_string() == "postgresql+asyncpg://coldquery:***@db.example:6432/fleet"
    spec = find("Deployment/fleet-sql", values)["spec"]["template"]["spec"]["containers"][0]
    assert environment(spec) | {
        "DB_PASSWORD": "from fleet-coldquery",
        "PGPASSWORD": "from fleet-database",
        "PGSSLMODE": "require",
    } == environment(spec)


def test_agents_may_ask_another_database(read: Any) -> None:
    values = at("sql.queryDatabase", {"host": "shop.example", "database": "shop", "user": "reader"})
    database = read("sql", merged(values, at("externalDatabase.port", 6432))).database()
    assert database.render_as_string() == "postgresql+asyncpg://reader:***@shop.example:5432/shop"
    for other in ("host", "database"):
        assert "Job/fleet-sql-grants" not in titles(rendered(at(f"sql.queryDatabase.{other}", "shop")))


def test_no_role_is_made_before_somebody_else_has_migrated() -> None:
    values = merged(SETS["everything"], at("migrations.enabled", value=False))
    assert not [title for title in titles(rendered(values)) if title.endswith(("-grants", "-migrate"))]


def test_the_role_of_agents_is_made_by_the_owner_of_what_it_reads() -> None:
    [job] = find("Job/fleet-sql-grants")["spec"]["template"]["spec"]["containers"]
    assert job["args"] == ["grants", "--role", "coldquery", "--apply", "--read", "graph"]
    assert environment(job) == {
        "DATABASE_URL": "postgresql://fleet@postgresql:5432/fleet?sslmode=prefer",
        "PGPASSWORD": "from fleet-database",
        "COLDQUERY_ROLE_PASSWORD": "from fleet-coldquery",
    }


def test_a_name_in_an_address_is_encoded(read: Any) -> None:
    graph = read("graph", at("externalDatabase", {"user": "fleet@server", "database": "a/b"}))
    assert (asyncpg_url(graph.database_url).username, asyncpg_url(graph.database_url).database) == (
        "fleet@server",
        "a/b",
    )


@pytest.mark.parametrize("service", KEYS)
def test_a_service_may_have_a_database_and_a_redis_of_its_own(service: str, read: Any) -> None:
    own = merged(
        at(f"{service}.externalDatabase", {"host": "own.example", "existingSecret": "own"}),
        at(f"{service}.externalRedis", {"host": "cache.example", "tls": True}),
        at("externalRedis", {"host": "redis", "existingSecret": "fleet-redis"}),
    )
    assert read(service, own).redis_url == "rediss://cache.example:6379/0"
    [spec] = [spec for name, spec in containers(rendered(own)) if name == f"fleet-{service}"]
    assert environment(spec) | {
        "PGPASSWORD": "from own",
        "REDIS_PASSWORD": "from fleet-redis",
    } == environment(spec)
    others = [spec for name, spec in containers(rendered(own)) if _service_of(name) != service]
    assert all("own.example" not in json.dumps(spec) for spec in others)


def test_a_large_number_stays_a_number(read: Any) -> None:
    assert read("sql", at("sql.settings.COLDQUERY_MAX_BYTES", 100_000_000)).coldquery_max_bytes == 100_000_000


@pytest.mark.parametrize("service", ["graph", "sql"])
def test_agents_may_call_by_the_names_of_service_and_ingress(service: str, read: Any) -> None:
    values = merged(ingress_of(service), at(f"{service}.settings.MCP_ALLOWED_HOSTS", "proxy.example"))
    name = f"fleet-{service}"
    assert read(service, values, namespace="space").mcp_allowed_hosts == [
        *(name, f"{name}.space", f"{name}.space.svc", f"{name}.space.svc.cluster.local"),
        *(f"{service}.example.com", "proxy.example"),
    ]


@pytest.mark.parametrize("service", KEYS)
def test_proxies_are_trusted_behind_an_ingress_only(service: str, read: Any) -> None:
    assert read(service).forwarded_allow_ips is None
    trusted = _TrustedHosts(read(service, ingress_of(service)).forwarded_allow_ips)
    assert trusted.get_trusted_client_address("6.6.6.6, 203.0.113.9, 10.1.2.3")[0] == "203.0.113.9"
    values = merged(ingress_of(service), at(f"{service}.settings.FORWARDED_ALLOW_IPS", "*"))
    assert read(service, values).forwarded_allow_ips == "*"


def test_toolhive_is_read_from_this_cluster(read: Any) -> None:
    graph = read("graph", at("graph.toolhive.enabled", value=True))
    assert (graph.runtime_mode, graph.k8s_api_server_url) == ("k8s", "https://kubernetes.default.svc")
    assert read("graph").runtime_mode == "docker"


def test_jobs_run_where_the_volume_is(read: Any) -> None:
    ci = read("ci", namespace="space")
    assert (ci.ci_runner, ci.ci_kubernetes_namespace, ci.ci_kubernetes_volume_claim, str(ci.ci_data_dir)) == (
        *("kubernetes", "space", "fleet-ci"),
        "/data",
    )
    assert read("ci", namespace="n" * 63).ci_kubernetes_namespace == "n" * 63
    assert read("ci", at("ci.persistence.existingClaim", "theirs")).ci_kubernetes_volume_claim == "theirs"
    assert not ci.ci_jobs_end_with_server


def test_jobs_that_are_processes_end_with_their_pod(read: Any) -> None:
    values = at("ci.runner", "process")
    ci = read("ci", values)
    assert (ci.ci_kubernetes_volume_claim, ci.ci_jobs_end_with_server) == (None, True)
    shares = {name: pod["spec"].get("shareProcessNamespace", False) for name, pod in pods(rendered(values))}
    assert [name for name, shared in shares.items() if shared] == ["fleet-ci"]
    assert not any("shareProcessNamespace" in pod["spec"] for _, pod in pods(rendered()))


@pytest.mark.parametrize("name", ["fleet", "fleet-in-production", "a" * 53, f"{'fleet-' * 8}1.2"])
def test_jobs_are_named_as_the_server_takes_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [(_, spec)] = [one for one in containers(rendered(name=name)) if one[0].endswith("-ci")]
    ci = _read("ci", environment(spec), monkeypatch)
    assert len(ci.ci_container_prefix) <= LONGEST_PREFIX
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", ci.ci_container_prefix)


@pytest.mark.parametrize("service", KEYS)
def test_more_variables_reach_the_service_and_its_migration(service: str) -> None:
    values = at(f"{service}.extraEnv", [{"name": "PGSSLROOTCERT", "value": "/tls/ca.crt"}])
    values = merged(values, at(f"{service}.extraVolumes", [{"name": "tls", "secret": {"secretName": "ca"}}]))
    for title in (f"Deployment/fleet-{service}", f"Job/fleet-{service}-migrate"):
        pod = find(title, values)["spec"]["template"]["spec"]
        assert {"name": "PGSSLROOTCERT", "value": "/tls/ca.crt"} in pod["containers"][0]["env"]
        assert "tls" in {volume["name"] for volume in pod["volumes"]}
