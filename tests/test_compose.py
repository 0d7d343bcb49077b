"""docker-compose.yml and what it mounts: engines take it, nothing in it is open that need not be, all settings arrive."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from ci_server.settings import Settings as CiServer
from coldquery.settings import Settings as ColdQuery
from dependency_graph.settings import Settings as Graph
from fleet_metadata.settings import Settings as Metadata

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
CONTAINER_JOBS = ROOT / "compose" / "container-jobs.yml"
PROMETHEUS = ROOT / "compose" / "prometheus.yml"
REQUIRED = (
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "CI_ROLE_PASSWORD", "COLDQUERY_ROLE_PASSWORD"),
    "FLEET_METADATA_TOKEN",
)
FLEET = {"graph": Graph, "ci": CiServer, "sql": ColdQuery, "metadata": Metadata}
MIGRATIONS = ["ci-migrate", "ci-role", "graph-migrate", "sql-migrate", "sql-role"]
# The image sets where to listen and where files are; what only Kubernetes has is the chart's; passwords are for few.
NOT_PASSED = {
    "graph": {"API_HOST", "API_PORT"},
    "ci": {
        *("CI_DATA_DIR", "CI_DB_PATH", "CI_HOST", "CI_PORT"),
        *("CI_KUBERNETES_NAMESPACE", "CI_KUBERNETES_VOLUME_CLAIM", "K8S_API_SERVER_URL"),
        *("DOCKER_HOST", "REDIS_PASSWORD", "REDIS_URL"),
    },
    "sql": {
        *("COLDQUERY_DATA_DIR", "COLDQUERY_HOST", "COLDQUERY_PORT", "COLDQUERY_ROLE_PASSWORD"),
        *("DATABASE_URL", "DB_PORT"),
    },
    "metadata": {"METADATA_FOLDER", "METADATA_HOST", "METADATA_PORT"},
}
BESIDE_SETTINGS = {"OTEL_EXPORTER_OTLP_HEADERS", "PGPASSWORD"}
needs_compose = pytest.mark.skipif(
    shutil.which("docker-compose") is None,
    reason="docker-compose is not installed: apt-get install docker-compose",
)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus"
)


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def _config(tmp_path: Path, variables: Mapping[str, str], *files: Path) -> subprocess.CompletedProcess[str]:
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    named = [argument for file in (COMPOSE, *files) for argument in ("--file", str(file))]
    command = ["docker-compose", "--env-file", str(env_file), *named, "config"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _filled_in(**more: str) -> dict[str, str]:
    return {name: f"the-{name.lower()}" for name in REQUIRED} | more


@needs_compose
def test_compose_takes_it_once_the_passwords_are_set(tmp_path: Path) -> None:
    checked = _config(tmp_path, _filled_in())
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@needs_compose
@pytest.mark.parametrize("missing", REQUIRED)
def test_without_a_password_it_says_which_and_what_to_do(missing: str, tmp_path: Path) -> None:
    checked = _config(tmp_path, _filled_in() | {missing: ""})
    assert checked.returncode != 0
    assert missing in checked.stderr
    assert "docs/compose.md" in checked.stderr


@needs_compose
def test_a_setting_in_env_reaches_every_service_that_has_it(tmp_path: Path) -> None:
    checked = _config(tmp_path, _filled_in(LOG_LEVEL="DEBUG", GITHUB_TOKEN="for-one"))
    services = yaml.safe_load(checked.stdout)["services"]
    assert {services[name]["environment"]["LOG_LEVEL"] for name in FLEET} == {"DEBUG"}
    told = [name for name, service in services.items() if "for-one" in str(service.get("environment"))]
    assert told == ["metadata"]


def test_only_the_collector_waits_for_a_profile(services: Mapping[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == {"otel-collector": ["tracing"]}


@needs_compose
def test_jobs_run_in_containers_only_with_the_file_that_hands_over_the_socket(tmp_path: Path) -> None:
    assert "docker.sock" not in COMPOSE.read_text()
    checked = _config(tmp_path, _filled_in(DOCKER_GROUP="998"), CONTAINER_JOBS)
    assert checked.returncode == 0, checked.stderr
    ci = yaml.safe_load(checked.stdout)["services"]["ci"]
    assert ci["environment"]["CI_RUNNER"] == "container"
    assert ci["group_add"] == ["998"]
    assert "/var/run/docker.sock:/var/run/docker.sock:rw" in ci["volumes"]


@pytest.mark.parametrize("name", [*FLEET, *MIGRATIONS])
def test_our_services_have_no_rights_that_they_do_not_need(name: str, services: Mapping[str, Any]) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:size=1g"]
    assert service.get("user", "postgres") == "postgres"
    assert not {"privileged", "cap_add", "network_mode"} & service.keys()


@pytest.mark.parametrize("name", ["prometheus", "redis"])
def test_what_keeps_no_rights_of_root_needs_none(name: str, services: Mapping[str, Any]) -> None:
    service = services[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_jobs_run_beside_has_no_password_but_that_of_its_role(services: Mapping[str, Any]) -> None:
    given = {name: value for name, value in services["ci"]["environment"].items() if value is not None}
    told = [name for name in REQUIRED for value in given.values() if f"${{{name}" in value]
    assert told == ["CI_ROLE_PASSWORD"]
    assert {value for value in given.values() if "://" in value} == {"postgresql://ci@postgres/fleet"}
    assert services["ci"]["volumes"] == ["ci:/data"]


def test_ports_are_published_on_loopback_unless_somebody_says_otherwise(services: Mapping[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert len(published) == 6
    assert all(port.startswith("${FLEET_BIND:-127.0.0.1}:") for port in published)
    assert not {"postgres", "redis"} & {name for name, service in services.items() if "ports" in service}


def test_whatever_stays_up_is_started_again_and_has_a_health_check(services: Mapping[str, Any]) -> None:
    for name in services.keys() - MIGRATIONS:
        assert services[name]["restart"] == "unless-stopped"
        # Its image has nothing that could ask; Prometheus does.
        assert ("healthcheck" in services[name]) == (name != "otel-collector")


def test_nothing_starts_before_what_it_needs(services: Mapping[str, Any]) -> None:
    done, healthy = "service_completed_successfully", "service_healthy"
    conditions = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert conditions["graph"] == {"graph-migrate": done, "redis": healthy}
    assert conditions["ci"] == {"ci-role": done}
    assert conditions["ci-role"] == {"ci-migrate": done}
    assert conditions["sql"] == {"sql-migrate": done, "sql-role": done, "redis": healthy}
    assert conditions["sql-role"] == {"graph-migrate": done}
    for name in ("graph-migrate", "ci-migrate", "sql-migrate"):
        assert conditions[name] == {"postgres": healthy}
        assert "restart" not in services[name]


def _names(settings: type[BaseSettings]) -> set[str]:
    names = set[str]()
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        names |= {str(choice) for choice in alias.choices} if isinstance(alias, AliasChoices) else {name}
    return {name.upper() for name in names}


@pytest.mark.parametrize("name", FLEET)
def test_every_setting_of_a_service_is_passed_on_to_it_and_nothing_else(
    name: str, services: Mapping[str, Any]
) -> None:
    passed, known = set(services[name]["environment"]), _names(FLEET[name])
    assert passed - BESIDE_SETTINGS <= known
    assert known - passed == NOT_PASSED[name]


@pytest.mark.parametrize("name", FLEET)
def test_what_is_passed_on_is_accepted(
    name: str, services: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in services[name]["environment"].items():
        if value is not None:
            monkeypatch.setenv(variable, re.sub(r"\$\{\w+:[?-]([^}]*)\}", r"\1", value))
    FLEET[name]()


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    example = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text() + CONTAINER_JOBS.read_text()))
    passed = {
        name
        for service in yaml.safe_load(COMPOSE.read_text())["services"].values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    assert len(asked) > 15
    assert asked | passed <= example


@needs_promtool
def test_prometheus_takes_its_settings(tmp_path: Path) -> None:
    settings = PROMETHEUS.read_text().replace(
        "/etc/prometheus/alerts.yaml", str(ROOT / "helm/fleet/files/alerts.yaml")
    )
    token = tmp_path / "token"
    token.touch()
    file = tmp_path / "prometheus.yml"
    file.write_text(settings.replace("/tmp/metadata-token", str(token)))
    checked = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS: 1 rule files found" in checked.stdout


def test_prometheus_scrapes_each_service_where_it_listens(services: Mapping[str, Any]) -> None:
    jobs = yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in jobs if "static_configs" in job
    }
    ports = {name: services[name]["ports"][0].rpartition(":")[2] for name in FLEET}
    assert scraped == {f"fleet-{name}": [f"{name}:{port}"] for name, port in ports.items()}


def test_everything_that_is_mounted_is_in_the_repository(services: Mapping[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) == 4
    assert all((ROOT / file).is_file() for file in files)
    assert all(mount.endswith(":ro") for mount in mounts if mount.startswith((".", "$")))


def test_the_collector_sends_what_it_receives_to_what_it_has() -> None:
    settings = yaml.safe_load((ROOT / "compose" / "otel-collector.yaml").read_text())
    parts = {kind: set(settings[kind]) | set(settings["connectors"]) for kind in ("receivers", "exporters")}
    parts["processors"] = set(settings["processors"])
    for pipeline in settings["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= parts[kind]
