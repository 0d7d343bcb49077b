from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of `fleet up`, from environment variables of the same names.

    They are also what its services get where the environment says nothing. A service checks its own.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True)

    database_url: str | None = Field(default=None, description="PostgreSQL to use instead of starting one")
    redis_url: str | None = Field(default=None, description="Redis or Valkey to use instead of starting one")
    api_host: str = Field(default="127.0.0.1", description="address that the services listen on")
    api_workers: int = Field(default=1, ge=1, description="processes of the graph service")
    rate_limit_query: str = Field(default="6000/min", description="reads of each API key")
    rate_limit_ingestion: str = Field(default="600/min", description="writes of each API key")
    ci_database_url: str | None = Field(
        default=None, description="PostgreSQL for the jobs of the CI service; without it that of the others"
    )
    ci_data_dir: Path | None = Field(
        default=None, description="folder of the CI service; without it `ci` in the folder of --data-dir"
    )
    metadata_folder: Path = Field(
        default_factory=Path.cwd, description="folder of the workspace that the metadata service tells of"
    )

    @field_validator("database_url", "ci_database_url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        # Imported when there is something to check: it takes a while.
        from api_access import asyncpg_url

        if url:
            asyncpg_url(url)
        return url

    def environment(self) -> dict[str, str]:
        """These settings as environment variables; what is None is not among them."""
        return {name.upper(): str(value) for name, value in self.model_dump(exclude_none=True).items()}
