from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL

from api_access import RateLimit, asyncpg_url
from api_access.settings import Limit, RedisUrl
from coldquery.limits import Limits
from service_settings import HttpUrl, Listed

_MAX_PORT = 65535
_OF_A_HOST = ("db_port", "db_user", "db_password", "db_database")


def _postgresql(url: SecretStr) -> SecretStr:
    asyncpg_url(url.get_secret_value())
    return url


def _preparable(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        # PostgreSQL would prepare others before it compares them.
        raise ValueError("the password must be of printable ASCII characters")
    return password


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgresql)]
_LIMITS = Limits()


class Settings(BaseSettings):
    """The settings of ColdQuery, from environment variables of the same names."""

    model_config = SettingsConfigDict(
        arbitrary_types_allowed=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: PostgresUrl | None = Field(
        default=None,
        description="PostgreSQL 16 or newer; without it and DB_HOST one is started in COLDQUERY_DATA_DIR",
    )
    db_port: int | None = Field(default=None, ge=1, le=_MAX_PORT, description="with DB_HOST; 5432")
    db_user: str | None = Field(default=None, description="with DB_HOST; postgres")
    db_password: SecretStr | None = Field(default=None, description="with DB_HOST")
    db_database: str | None = Field(default=None, description="with DB_HOST; postgres")
    db_host: str | None = Field(
        default=None,
        # Else a server would be started, and nobody would see why the data is not there.
        validate_default=True,
        description="PostgreSQL in parts; DATABASE_URL goes before it",
    )
    coldquery_role_password: Annotated[SecretStr, AfterValidator(_preparable)] | None = Field(
        default=None, description="password that `coldquery grants --apply` gives the role"
    )
    coldquery_host: str = Field(default="127.0.0.1", description="address to listen on")
    coldquery_port: int = Field(default=8003, ge=0, le=_MAX_PORT, description="port to listen on")
    coldquery_data_dir: Path = Field(
        default=Path("coldquery_data"),
        description="folder of the API keys and the embedded server, where no others are named",
    )
    access_database_url: PostgresUrl | None = Field(
        default=None, description="PostgreSQL with the API keys; without it a file in COLDQUERY_DATA_DIR"
    )
    redis_url: RedisUrl | None = Field(
        default=None, description="Redis or Valkey; without it each process counts for itself"
    )
    redis_password: SecretStr | None = Field(
        default=None, description="password for Redis, where REDIS_URL has none"
    )
    rate_limit_query: Limit = Field(default=RateLimit(600, 60), description="calls of each API key")
    max_sessions: int = Field(
        default=_LIMITS.max_sessions, ge=1, le=1000, description="sessions open at once, of all callers"
    )
    session_ttl_seconds: float = Field(
        default=_LIMITS.session_seconds, gt=0, le=86_400, description="how long a session may be idle"
    )
    coldquery_max_rows: int = Field(
        default=_LIMITS.max_rows, ge=1, le=1_000_000, description="rows of an answer at most"
    )
    coldquery_max_bytes: int = Field(
        default=_LIMITS.max_bytes, ge=1000, le=100_000_000, description="bytes of an answer's rows, as JSON"
    )
    coldquery_timeout_ms: int = Field(
        default=_LIMITS.timeout_ms, ge=1, le=86_400_000, description="milliseconds of a statement at most"
    )
    coldquery_reserved: int = Field(
        default=_LIMITS.reserved, ge=3, le=1000, description="connections that no session gets"
    )
    coldquery_cursor_seconds: float = Field(
        default=_LIMITS.cursor_seconds, gt=0, le=3600, description="how long a cursor may be idle"
    )
    coldquery_wait_seconds: float = Field(
        default=_LIMITS.wait_seconds, gt=0, le=600, description="how long a call waits for a connection"
    )
    mcp_allowed_hosts: Listed = Field(
        default_factory=list, description="hosts beside loopback by whose names MCP clients may call"
    )
    forwarded_allow_ips: str | None = Field(
        default=None, description="proxies whose X-Forwarded-For names the client: addresses, or *"
    )
    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OpenTelemetry collector that gets our traces; without it none are made"
    )
    otel_trace_sample_rate: float = Field(default=0.1, ge=0, le=1, description="part of the requests traced")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="what is logged"
    )

    @field_validator("db_host")
    @classmethod
    def _is_named_with_its_parts(cls, host: str | None, info: ValidationInfo) -> str | None:
        parts = [name.upper() for name in _OF_A_HOST if info.data.get(name) is not None]
        if parts and not host and not info.data.get("database_url"):
            raise ValueError(f"is not set, and without it {', '.join(parts)} cannot be of any server")
        return host

    def database(self) -> URL | None:
        """The database that the environment names: DATABASE_URL, else the one of DB_HOST; None for neither."""
        if self.database_url:
            return asyncpg_url(self.database_url.get_secret_value())
        if not self.db_host:
            return None
        return URL.create(
            "postgresql+asyncpg",
            username=self.db_user or "postgres",
            password=self.db_password.get_secret_value() if self.db_password else None,
            host=self.db_host,
            port=self.db_port or 5432,
            database=self.db_database or "postgres",
        )

    def limits(self) -> Limits:
        return Limits(
            max_rows=self.coldquery_max_rows,
            max_bytes=self.coldquery_max_bytes,
            timeout_ms=self.coldquery_timeout_ms,
            max_sessions=self.max_sessions,
            session_seconds=self.session_ttl_seconds,
            reserved=self.coldquery_reserved,
            cursor_seconds=self.coldquery_cursor_seconds,
            wait_seconds=self.coldquery_wait_seconds,
        )
