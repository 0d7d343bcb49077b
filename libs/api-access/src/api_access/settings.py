"""The types of settings that have to do with keys, limits and where both are kept."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from api_access.database_url import asyncpg_url
from api_access.rate_limits import RateLimit


def _limit(value: object) -> object:
    return RateLimit.parse(value) if isinstance(value, str) else value


def _postgresql(url: str) -> str:
    asyncpg_url(url)
    return url


def _redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("not the URL of a Redis or Valkey: redis://host:6379/0")
    return url


Limit = Annotated[RateLimit, NoDecode, BeforeValidator(_limit)]
"""A rate limit such as `60/min`; its model needs `arbitrary_types_allowed`."""
PostgresUrl = Annotated[str, AfterValidator(_postgresql)]
"""A URL that `asyncpg_url` takes."""
RedisUrl = Annotated[str, AfterValidator(_redis)]
"""The URL of a Redis or Valkey."""
