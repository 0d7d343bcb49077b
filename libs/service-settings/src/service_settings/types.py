from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode


def _http(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError("not the URL of a server, such as https://host")
    return url.rstrip("/")


def _listed(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _header(token: SecretStr) -> SecretStr:
    text = token.get_secret_value().strip()
    if not text.isascii() or not text.isprintable():
        raise ValueError("has characters that no HTTP header takes")
    return SecretStr(text)


HttpUrl = Annotated[str, AfterValidator(_http)]
"""The URL of a server, without a slash at its end."""
Token = Annotated[SecretStr, AfterValidator(_header)]
"""A secret that goes into a header, without spaces around it."""
Listed = Annotated[list[str], NoDecode, BeforeValidator(_listed)]
"""Texts with commas between."""
