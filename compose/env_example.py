"""Prints .env.example, out of the settings classes and the compose files.

uv run python compose/env_example.py > .env.example
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ci_client.settings import Settings as CiClient
from ci_server.settings import Settings as CiServer
from coldquery.settings import Settings as ColdQuery
from dependency_graph.settings import Settings as Graph
from fleet.settings import Settings as FleetUp
from fleet_metadata.settings import Settings as Metadata

ROOT = Path(__file__).parents[1]
COMPOSE_FILES = (ROOT / "docker-compose.yml", ROOT / "compose" / "container-jobs.yml")
SETTINGS: Mapping[str, type[BaseSettings]] = {
    "graph": Graph,
    "ci": CiServer,
    "sql": ColdQuery,
    "metadata": Metadata,
    "the command ci": CiClient,
    "fleet up": FleetUp,
}
REQUIRED = {
    "POSTGRES_PASSWORD": "password of the database's owner, given to a new database; see docs/compose.md to change it",
    "REDIS_PASSWORD": "password of Redis",
    "CI_ROLE_PASSWORD": "password of the role that the CI server works as",
    "COLDQUERY_ROLE_PASSWORD": "password of the role that agents ask the database as; printable ASCII",
    "FLEET_METADATA_TOKEN": "bearer token for the metadata server",
}
OF_COMPOSE = {
    "COMPOSE_FILE": "docker-compose.yml:compose/container-jobs.yml has CI jobs run in containers",
    "COMPOSE_PROFILES": "tracing starts an OpenTelemetry collector",
    "COMPOSE_PROJECT_NAME": "what the names of containers and volumes begin with; else that of this folder",
    "DOCKER_GROUP": "number of the group of the engine's socket, for compose/container-jobs.yml",
    "DOCKER_SOCKET": "socket of the engine, for compose/container-jobs.yml",
    "FLEET_BIND": "address of this machine that all ports are published on",
    "FLEET_CI_PORT": "port of the CI server",
    "FLEET_GRAPH_PORT": "port of the dependency graph service",
    "FLEET_IMAGES": "where the images come from",
    "FLEET_METADATA_PORT": "port of the metadata server",
    "FLEET_OTLP_PORT": "port of the collector, OTLP over HTTP",
    "FLEET_PROMETHEUS_PORT": "port of Prometheus",
    "FLEET_SQL_PORT": "port of ColdQuery",
    "FLEET_VERSION": "version of the images",
    "OTEL_COLLECTOR_IMAGE": "image of the OpenTelemetry collector, with the connector servicegraph",
    "POSTGRES_IMAGE": "image of PostgreSQL",
    "PROMETHEUS_IMAGE": "image of Prometheus",
    "PROMETHEUS_RETENTION": "how long Prometheus keeps metrics",
    "REDIS_IMAGE": "image of Redis",
}
READ_BY_LIBRARIES = {
    "OTEL_EXPORTER_OTLP_HEADERS": "graph, ci, sql, metadata: headers for the collector, such as a token",
    "PGPASSWORD": "graph, ci, sql: password for the URLs of databases that have none; compose sets it",
}
HEAD = """\
# All settings of Fleet. For docker compose, copy it to .env and fill in the five passwords; docs/compose.md says how.
# What is commented out has the default shown, or none. With docker compose, addresses, ports and folders inside of
# containers are set already. Printed by compose/env_example.py; a test compares it.
"""
_SUBSTITUTED = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Variable:
    """A variable of one settings class."""

    name: str
    user: str
    description: str
    default: str


def of_compose() -> dict[str, str]:
    """The variables that the compose files ask for, with their defaults."""
    found = [match for file in COMPOSE_FILES for match in _SUBSTITUTED.findall(file.read_text())]
    return {name: default if kind == "-" else "" for name, kind, default in found}


def of_settings() -> Mapping[str, Sequence[Variable]]:
    """The variables of all settings classes by their name; one may be of several."""
    variables = defaultdict[str, list[Variable]](list)
    for user, settings in SETTINGS.items():
        for name, field in settings.model_fields.items():
            for variable in _variables(user, name, field):
                variables[variable.name].append(variable)
    return variables


def text() -> str:
    """What .env.example has to be."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    settings = {name: uses for name, uses in of_settings().items() if name not in REQUIRED}
    yield _section(
        "docker compose, required", [_entry([why], name, "", "") for name, why in REQUIRED.items()]
    )
    defaults = of_compose()
    own = [_entry([why], name, defaults.get(name, "")) for name, why in OF_COMPOSE.items()]
    yield _section("docker compose", own)
    shared = [_used(uses) for _, uses in sorted(settings.items()) if len(uses) > 1]
    read = [_entry([why], name, "") for name, why in READ_BY_LIBRARIES.items()]
    yield _section("several services", [*shared, *read])
    for user in SETTINGS:
        yield _section(
            user, [_used(uses) for uses in settings.values() if [use.user for use in uses] == [user]]
        )


def _section(title: str, entries: Iterable[str]) -> str:
    return "\n".join([f"## {title}", "", *entries])


def _used(uses: Sequence[Variable]) -> str:
    """One entry for all classes that have the variable, which say for themselves what they differ in."""
    defaults = {use.default for use in uses}
    default = defaults.pop() if len(defaults) == 1 else ""
    told = defaultdict[str, list[str]](list)
    for use in uses:
        told[use.description + (f" ({use.default})" if use.default != default else "")].append(use.user)
    lines = [text if len(uses) == 1 else f"{', '.join(users)}: {text}" for text, users in told.items()]
    return _entry([*lines, *_otherwise_with_compose(uses[0].name, default)], uses[0].name, default)


def _otherwise_with_compose(name: str, default: str) -> Iterator[str]:
    given = of_compose().get(name) or default
    if default and given != default:
        yield f"with docker compose: {given}"


def _entry(lines: Iterable[str], name: str, default: str, mark: str = "#") -> str:
    return "\n".join([*(f"# {line}" for line in lines), f"{mark}{name}={default}", ""])


def _variables(user: str, name: str, field: FieldInfo) -> Iterator[Variable]:
    alias = field.validation_alias
    names = (
        [str(choice).upper() for choice in alias.choices]
        if isinstance(alias, AliasChoices)
        else [name.upper()]
    )
    yield Variable(names[0], user, field.description or "", _default(field))
    for other in names[1:]:
        yield Variable(other, user, f"the same as {names[0]}, which goes before it", "")


def _default(field: FieldInfo) -> str:
    # A factory's value depends on the machine.
    return "" if field.default_factory else _shown(field.default)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(map(_shown, value))
        case _:
            return str(value)


if __name__ == "__main__":
    sys.stdout.write(text())
