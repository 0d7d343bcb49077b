"""Which settings of a service the chart takes in `<service>.settings`, as values.schema.json has them."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ci_server.settings import Settings as CiSettings
from coldquery.settings import Settings as SqlSettings
from dependency_graph.settings import Settings as GraphSettings

SETTINGS: dict[str, type[BaseSettings]] = {"ci": CiSettings, "graph": GraphSettings, "sql": SqlSettings}

OF_THE_CHART = {"DATABASE_URL", "ACCESS_DATABASE_URL", "REDIS_URL", "REDIS_PASSWORD", "K8S_API_SERVER_URL"}
"""What other values say, in all services."""
OF_THE_SERVICE = {
    "ci": {
        *("CI_HOST", "CI_PORT", "CI_DATABASE_URL", "CI_DATA_DIR", "CI_RUNNER", "CI_CONTAINER_PREFIX"),
        *("CI_KUBERNETES_NAMESPACE", "CI_KUBERNETES_VOLUME_CLAIM", "CI_JOBS_END_WITH_SERVER"),
    },
    "graph": {"API_HOST", "API_PORT", "RUNTIME_MODE"},
    "sql": {
        *("COLDQUERY_HOST", "COLDQUERY_PORT", "COLDQUERY_DATA_DIR"),
        *("DB_HOST", "DB_PORT", "DB_USER", "DB_DATABASE"),
    },
}
ELSEWHERE = {
    "CI_DB_PATH",  # SQLite is for one machine
    "CI_CONTROLLER",  # no other Deployment would run the jobs
    "DOCKER_HOST",  # there is no container engine in a pod
    "CI_CONTAINER_NETWORK",
    "CI_INSTALL_BINDS",
}
TYPES = {bool: "boolean", int: "integer", float: "number"}
BOUNDS: dict[type, str] = {Ge: "minimum", Gt: "exclusiveMinimum", Le: "maximum", Lt: "exclusiveMaximum"}


def schema_of_settings(service: str) -> dict[str, Any]:
    """JSON Schema of the properties of `<service>.settings`: all settings but those of the chart, and secrets."""
    left_out = OF_THE_CHART | OF_THE_SERVICE[service] | ELSEWHERE
    return {
        name.upper(): _schema(field)
        for name, field in sorted(SETTINGS[service].model_fields.items())
        if name.upper() not in left_out and not _is_secret(field.annotation)
    }


def _schema(field: FieldInfo) -> dict[str, Any]:
    told = {"description": field.description or ""}
    [kind] = [one for one in _members(field.annotation) if one is not type(None)]
    if get_origin(kind) is Literal:
        return {**told, "enum": list(get_args(kind))}
    bounds = {word: getattr(one, word_of) for one in field.metadata for word, word_of in _bound(one)}
    return {**told, "type": TYPES.get(kind, "string"), **bounds}


def _bound(one: object) -> list[tuple[str, str]]:
    return [(word, kind.__name__.lower()) for kind, word in BOUNDS.items() if isinstance(one, kind)]


def _is_secret(annotation: Any) -> bool:
    return any(
        one is SecretStr or (get_origin(one) is not None and _is_secret(get_args(one)[0]))
        for one in _members(annotation)
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
