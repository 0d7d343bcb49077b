from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, DirectoryPath, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_settings import HttpUrl, Listed, Token


def _not_blank(token: SecretStr) -> SecretStr:
    # An empty file of secrets is not to open the server to everybody.
    if not token.get_secret_value():
        raise ValueError("is blank; set a token, or leave it unset if everybody may read")
    return token


class Settings(BaseSettings):
    """The settings of the metadata server and of its own collectors, from the environment."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, hide_input_in_errors=True, populate_by_name=True, extra="ignore"
    )

    metadata_folder: DirectoryPath = Field(default=Path(), description="folder of the workspace")
    metadata_host: str = Field(default="127.0.0.1", description="address to listen on")
    metadata_port: int = Field(default=8001, ge=0, le=65535, description="port to listen on")
    metadata_size_limit_mb: float = Field(default=1, ge=0.005, le=100, description="largest answer, in MiB")
    metadata_disabled_collectors: Listed = Field(
        default_factory=list, description="collectors that are not to run, with commas between"
    )
    metadata_refresh_seconds: float = Field(
        default=5,
        ge=1,
        le=3600,
        description="least time between two looks at GitHub, GitLab, Coder, ToolHive or CI",
    )
    fleet_metadata_token: Annotated[Token, AfterValidator(_not_blank)] | None = Field(
        default=None, description="bearer token that clients must send; without it none is needed"
    )
    mcp_allowed_hosts: Listed = Field(
        default_factory=list, description="hosts beside loopback by whose names MCP clients may call"
    )
    github_repo: str | None = Field(
        default=None, description="repository at GitHub, owner/name, instead of that of the remote"
    )
    github_api_url: HttpUrl = Field(
        default="https://api.github.com", description="GitHub, or GitHub Enterprise: https://host/api/v3"
    )
    github_token: Token | None = Field(
        default=None,
        validation_alias=AliasChoices("github_token", "gh_token"),
        description="token for GitHub; without it GitHub is asked every six minutes",
    )
    gitlab_project: str | None = Field(
        default=None, description="project at GitLab, group/name, instead of that of the remote"
    )
    gitlab_url: HttpUrl = Field(default="https://gitlab.com", description="GitLab")
    gitlab_token: Token | None = Field(default=None, description="token for GitLab")
    toolhive_url: HttpUrl | None = Field(
        default=None, description="ToolHive's API server; without it one is looked for on this machine"
    )
    ci_server_url: HttpUrl | None = Field(
        default=None, description="CI server, asked for the newest job of the branch"
    )
    ci_api_key: Token | None = Field(default=None, description="API key for the CI server")
    coder_workspace_id: str | None = Field(default=None, description="set by Coder")
    coder_workspace_name: str | None = Field(default=None, description="set by Coder")
    coder_workspace_owner: str | None = Field(
        default=None,
        validation_alias=AliasChoices("coder_workspace_owner_name", "coder_workspace_owner"),
        description="set by Coder",
    )
    coder_agent_name: str | None = Field(
        default=None,
        validation_alias=AliasChoices("coder_workspace_agent_name", "coder_agent_name"),
        description="set by Coder",
    )
    coder_agent_url: HttpUrl | None = Field(default=None, description="Coder, asked for the workspace's task")
    coder_agent_token: Token | None = Field(
        default=None,
        validation_alias=AliasChoices("coder_session_token", "coder_agent_token"),
        description="token for Coder; the one of an agent may not read tasks, that of a user's session may",
    )
    fleet_task_file: Path = Field(
        default=Path("/tmp/fleet-metadata-task.json"),  # noqa: S108  # where whoever runs tasks leaves it, by contract
        description="file that tells of the task at work",
    )
    fleet_task_processes: Listed = Field(
        default_factory=list, description="names of processes that are a task at work, * for any characters"
    )
    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        default=None, description="OpenTelemetry collector that gets our traces; without it none are made"
    )
    otel_trace_sample_rate: float = Field(default=0.1, ge=0, le=1, description="part of the requests traced")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="what is logged"
    )
