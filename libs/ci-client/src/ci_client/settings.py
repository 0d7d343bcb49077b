import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ci_client.errors import SettingsMissing
from service_settings import HttpUrl, Token

_URL_AND_KEY = TypeAdapter[tuple[str, Any]](tuple[HttpUrl, Token | None])


class Settings(BaseSettings):
    """The settings of the client, from environment variables of the same names."""

    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True)

    ci_server_url: HttpUrl | None = Field(default=None, description="the CI server: http://127.0.0.1:8002")
    ci_api_key: Token | None = Field(default=None, description="API key for it")
    xdg_config_home: Path = Field(
        default_factory=lambda: Path.home() / ".config", description="folder that has fleet/ci.toml"
    )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    server_url: HttpUrl | None = None
    api_key: Token | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """Which server to ask, with which API key (None where there is none), and who says so."""

    server_url: str
    url_source: str
    api_key: str | None = field(default=None, repr=False)
    key_source: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    server_url: str | None
    api_key: str | None = field(repr=False)


def connection(
    server_url: str | None = None, api_key: str | None = None, folder: Path | None = None
) -> Connection:
    """The first that is given: an argument, the environment, `fleet/ci.toml`; or else a running `fleet up`.

    That one is looked for from `folder` (the current one) upwards, and only its own key goes with it unless
    another is given. Raises SettingsMissing where no server is named, or a setting is not acceptable.
    """
    settings = _checked("", Settings, {})
    file = settings.xdg_config_home / "fleet" / "ci.toml"
    sources = [
        _given(server_url, api_key),
        _Source("the environment", settings.ci_server_url, _text(settings.ci_api_key)),
        _of_file(file),
    ]
    if not any(source.server_url for source in sources):
        sources.append(_running_fleet((folder or Path()).absolute(), file))
    [url_from] = [source for source in sources if source.server_url][:1]
    key_from = next((source for source in sources if source.api_key), None)
    assert url_from.server_url is not None  # noqa: S101  # by the look above
    return Connection(
        url_from.server_url,
        url_from.name,
        key_from.api_key if key_from else None,
        key_from.name if key_from else None,
    )


def environment_variable(name: str) -> str | None:
    """For a secret that is given by its name alone."""
    return os.environ.get(name)


def _given(server_url: str | None, api_key: str | None) -> _Source:
    given = _checked("", _File, {"server_url": server_url, "api_key": api_key})
    return _Source("the call", given.server_url, _text(given.api_key))


def _of_file(file: Path) -> _Source:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        content = {}
    except (OSError, ValueError) as error:
        raise SettingsMissing(f"{file} cannot be read: {error}. Correct it, or remove it.") from None
    found = _checked(f"{file}: ", _File, content)
    return _Source(str(file), found.server_url, _text(found.api_key))


def _running_fleet(folder: Path, file: Path) -> _Source:
    for parent in (folder, *folder.parents):
        if source := _announced(parent / ".fleet"):
            return source
    raise SettingsMissing(
        f"No CI server is named: set CI_SERVER_URL and CI_API_KEY, or server_url and api_key in {file}, "
        "or start one with `fleet up` in this folder."
    )


def _announced(data_dir: Path) -> _Source | None:
    """What a `fleet up` of this user tells; whoever else left such a file is not to get our projects."""
    endpoints = data_dir / "endpoints.json"
    try:
        if endpoints.stat().st_uid != os.getuid():
            return None
        told = json.loads(endpoints.read_text("utf-8"))
        key = (data_dir / "api-key").read_text("utf-8").strip()
        url, token = _URL_AND_KEY.validate_python((told["ci"], key or None))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _Source(f"`fleet up` in {data_dir.parent}", url, _text(token)) if _is_here(url) else None


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_loopback(url: str) -> bool:
    """Whether `url`, that of a server, is of this machine."""
    return _is_here(url)


def _text(token: Any) -> str | None:
    return (token.get_secret_value() or None) if token else None


def _checked(prefix: str, kind: Any, given: Mapping[str, Any]) -> Any:
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsMissing("; ".join(_faults(prefix, error.errors()))) from None


def _faults(prefix: str, errors: Iterable[Any]) -> Iterable[str]:
    for fault in errors:
        name = str(fault["loc"][0])
        yield f"{prefix}{name if prefix else name.upper()}: {fault['msg'].removeprefix('Value error, ')}"
