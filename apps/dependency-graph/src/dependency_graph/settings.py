from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from api_access import RateLimit
from api_access.settings import Limit, PostgresUrl, RedisUrl
from service_settings import HttpUrl, Listed, Token


def _only_credentials(username: str | None, told: ValidationInfo) -> str | None:
    if username and told.data.get("prometheus_bearer_token"):
        raise ValueError("set either PROMETHEUS_BEARER_TOKEN or this, not both")
    return username


def _with_username(password: SecretStr | None, told: ValidationInfo) -> SecretStr | None:
    if password and not told.data.get("prometheus_username"):
        raise ValueError("set PROMETHEUS_USERNAME as well")
    return password


def _toolhive(url: str) -> str:
    # Not before there is a URL, as it brings an HTTP client along.
    from toolhive_client import ToolhiveClient, ToolhiveError

    try:
        ToolhiveClient(url)
    except ToolhiveError as error:
        raise ValueError(error) from None
    return url


def _kubernetes(url: str) -> str:
    from toolhive_client import KubernetesClient

    KubernetesClient(url)
    return url


class Settings(BaseSettings):
    """The settings of the dependency graph service, from environment variables of the same names."""

    model_config = SettingsConfigDict(
        arbitrary_types_allowed=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: PostgresUrl | None = Field(
        default=None, description="PostgreSQL 16 or newer; without it one is started here"
    )
    db_pool_size: int = Field(default=20, ge=1, description="connections kept by each worker process")
    db_max_overflow: int = Field(default=10, ge=0, description="connections beyond these under load")
    redis_url: RedisUrl | None = Field(
        default=None, description="Redis or Valkey; without it each process counts for itself"
    )
    redis_password: SecretStr | None = Field(
        default=None, description="password for Redis, where REDIS_URL has none"
    )
    api_host: str = Field(default="127.0.0.1", description="address to listen on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    api_workers: int = Field(default=4, ge=1, description="worker processes")
    rate_limit_ingestion: Limit = Field(default=RateLimit(10, 60), description="writes of each API key")
    rate_limit_query: Limit = Field(default=RateLimit(60, 60), description="reads of each API key")
    rate_limit_traces: Limit = Field(default=RateLimit(600, 60), description="trace exports of each API key")
    redis_cache_ttl: int = Field(default=300, ge=1, description="seconds that Redis keeps an answer")
    otel_graph_ingest_interval_minutes: int = Field(
        default=15, ge=1, le=1440, description="minutes between two looks at Prometheus"
    )
    otel_graph_metrics_prefix: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")] = (
        Field(
            default="traces_service_graph",
            description="what the names of the service graph's metrics start with",
        )
    )
    prometheus_url: HttpUrl | None = Field(
        default=None, description="Prometheus that has the service graph's metrics; without it none is asked"
    )
    prometheus_bearer_token: Token | None = Field(default=None, description="token for Prometheus")
    prometheus_username: Annotated[str | None, AfterValidator(_only_credentials)] = Field(
        default=None, description="user for Prometheus"
    )
    prometheus_password: Annotated[SecretStr | None, AfterValidator(_with_username)] = Field(
        default=None, description="password for Prometheus"
    )
    prometheus_timeout_seconds: float = Field(
        default=30, gt=0, le=180, description="for each question to Prometheus"
    )
    toolhive_url: Annotated[HttpUrl, AfterValidator(_toolhive)] | None = Field(
        default=None, description="ToolHive's API server; without it one is looked for on this machine"
    )
    runtime_mode: Literal["docker", "k8s"] = Field(
        default="docker",
        description="where the workloads run: docker asks ToolHive, k8s the API of Kubernetes",
    )
    k8s_api_server_url: Annotated[HttpUrl, AfterValidator(_kubernetes)] = Field(
        default="http://127.0.0.1:8001",
        description="API of Kubernetes; in a pod https://kubernetes.default.svc",
    )
    workload_polling_interval: int = Field(
        default=60, ge=1, le=86400, description="seconds between two looks at the workloads of ToolHive"
    )
    registry_polling_interval: int = Field(
        default=86400, ge=1, le=604800, description="seconds between two looks at the registry of ToolHive"
    )
    skipped_workloads: Listed = Field(
        default=["inspector"], description="names of workloads that do not belong into the inventory"
    )
    allowed_groups: Listed = Field(
        default_factory=list, description="groups whose workloads are wanted; without it all of them"
    )
    stale_edge_threshold_hours: int = Field(
        default=168, ge=1, le=87600, description="hours after which a dependency that was not seen is stale"
    )
    mcp_allowed_hosts: Listed = Field(
        default_factory=list, description="hosts beside loopback by whose names MCP clients may call"
    )
    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OpenTelemetry collector that gets our traces; without it none are made"
    )
    otel_trace_sample_rate: float = Field(default=0.1, ge=0, le=1, description="part of the requests traced")
    forwarded_allow_ips: str | None = Field(
        default=None, description="proxies whose X-Forwarded-For names the client: addresses, or *"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="what is logged"
    )
