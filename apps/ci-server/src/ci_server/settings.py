import os
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from api_access import RateLimit
from api_access.settings import Limit, PostgresUrl, RedisUrl
from service_settings import HttpUrl, Listed, Token


def _command(line: str) -> str:
    # It complains of what cannot be split into words.
    if not shlex.split(line):
        raise ValueError("there is no command in it")
    return line


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
# kubernetes.io/docs/concepts/overview/working-with-objects/names
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Settings(BaseSettings):
    """The settings of the CI server, from environment variables of the same names."""

    model_config = SettingsConfigDict(
        arbitrary_types_allowed=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    ci_host: str = Field(default="127.0.0.1", description="address to listen on")
    ci_port: int = Field(default=8002, ge=0, le=65535, description="port to listen on")
    ci_database_url: PostgresUrl | None = Field(
        default=None, description="PostgreSQL 16 or newer; without it SQLite at CI_DB_PATH"
    )
    ci_db_path: Path = Field(default=Path("ci_jobs.db"), description="file of the SQLite database")
    access_database_url: PostgresUrl | None = Field(
        default=None, description="PostgreSQL with the API keys; without it they are beside the jobs"
    )
    ci_data_dir: Path = Field(
        default=Path("ci_data"), description="folder of zips, logs and artifacts, shared by all replicas"
    )
    redis_url: RedisUrl | None = Field(
        default=None, description="Redis or Valkey; without it each process counts for itself"
    )
    redis_password: SecretStr | None = Field(
        default=None, description="password for Redis, where REDIS_URL has none"
    )
    rate_limit_submit: Limit = Field(default=RateLimit(60, 60), description="submissions of each API key")
    rate_limit_read: Limit = Field(default=RateLimit(1200, 60), description="reads of each API key")
    ci_controller: bool = Field(
        default=True, description="whether this server runs jobs itself; `ci-server controller` does it alone"
    )
    ci_reconcile_interval: float = Field(
        default=2.0, gt=0, le=60, description="seconds between two looks for what was missed"
    )
    ci_runner: Literal["auto", "container", "process", "kubernetes"] = Field(
        default="auto",
        description="what runs jobs: auto takes a container engine if one answers, or processes",
    )
    ci_jobs_end_with_server: bool = Field(
        default=False, description="whether jobs that run as processes end when the server does, or go on"
    )
    ci_max_jobs: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="jobs that run at the same time; without it one for each processor",
    )
    ci_max_jobs_per_user: int | None = Field(
        default=None, ge=1, description="of these, jobs of one user; without it as many as there may be"
    )
    ci_max_upload_mb: int = Field(default=100, ge=1, le=10_000, description="size of a zip in MB")
    ci_max_unpacked_mb: int = Field(default=1000, ge=1, description="size of what is in a zip, in MB")
    ci_max_entries: int = Field(default=20_000, ge=1, description="files and folders in a zip")
    ci_max_ratio: int = Field(default=100, ge=1, description="size of what is in a zip over the zip's")
    ci_upload_scan_command: Annotated[str, AfterValidator(_command)] | None = Field(
        default=None, description="command that is given the path of a zip and refuses it by its exit code"
    )
    ci_max_log_mb: int = Field(
        default=1000, ge=1, description="size of a log in MB; a job that prints more ends"
    )
    ci_retention_days: int = Field(default=30, ge=1, description="days that an ended job is kept")
    ci_retention_gb: float = Field(
        default=20, gt=0, description="size of what is kept of ended jobs, in GB; the oldest go first"
    )
    ci_image: str = Field(
        default="docker.io/library/python:3.12-slim", description="image of a job's container"
    )
    ci_container_prefix: Name = Field(
        default="fleet-ci", description="begins the names of our containers, and tells installations apart"
    )
    docker_host: str | None = Field(
        default=None, description="socket of the container engine: unix:///var/run/docker.sock"
    )
    ci_container_network: str = Field(
        default="bridge", description="network of installations, and of jobs that ask for one"
    )
    ci_install_binds: Listed = Field(
        default_factory=list,
        description="folders of the engine's machine that installations may read: /etc/ssl/certs:/etc/ssl/certs:ro",
    )
    ci_webhook_secret: Token | None = Field(
        default=None, description="signs webhooks; without it one is made and kept in CI_DATA_DIR"
    )
    k8s_api_server_url: HttpUrl = Field(
        default="https://kubernetes.default.svc", description="API of Kubernetes, for CI_RUNNER=kubernetes"
    )
    ci_kubernetes_namespace: Namespace = Field(default="default", description="namespace of the Jobs")
    ci_kubernetes_volume_claim: ResourceName | None = Field(
        default=None, description="volume claim that holds CI_DATA_DIR, for the pods to mount"
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
