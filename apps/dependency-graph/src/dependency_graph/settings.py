from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api_access import RateLimit, asyncpg_url


def _parsed(value: object) -> object:
    return RateLimit.parse(value) if isinstance(value, str) else value


Limit = Annotated[RateLimit, NoDecode, BeforeValidator(_parsed)]


def _postgresql(url: str) -> str:
    asyncpg_url(url)
    return url


def _redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("not the URL of a Redis or Valkey: redis://host:6379/0")
    return url


class Settings(BaseSettings):
    """The settings of the dependency graph service, from environment variables of the same names."""

    model_config = SettingsConfigDict(arbitrary_types_allowed=True, env_ignore_empty=True)

    database_url: Annotated[str, AfterValidator(_postgresql)] | None = Field(
        default=None, description="PostgreSQL 16 or newer; without it one is started here"
    )
    db_pool_size: int = Field(default=20, ge=1, description="connections kept by each worker process")
    db_max_overflow: int = Field(default=10, ge=0, description="connections beyond these under load")
    redis_url: Annotated[str, AfterValidator(_redis)] | None = Field(
        default=None, description="Redis or Valkey; without it each process counts for itself"
    )
    api_host: str = Field(default="127.0.0.1", description="address to listen on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    api_workers: int = Field(default=4, ge=1, description="worker processes")
    rate_limit_ingestion: Limit = Field(default=RateLimit(10, 60), description="writes of each API key")
    rate_limit_query: Limit = Field(default=RateLimit(60, 60), description="reads of each API key")
    forwarded_allow_ips: str | None = Field(
        default=None, description="proxies whose X-Forwarded-For names the client: addresses, or *"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="what is logged"
    )
