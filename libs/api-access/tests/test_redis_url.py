import pytest
from pydantic import SecretStr
from redis.asyncio.connection import parse_url

from api_access.redis_url import redis_url

HARD = "p@ss:w/or d?#%2F"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:6379/0", {"host": "h", "port": 6379, "db": 0, "password": HARD}),
        ("redis://me@h", {"host": "h", "username": "me", "password": HARD}),
        ("rediss://[::1]:1/2", {"host": "::1", "port": 1, "db": 2, "password": HARD}),
        ("unix:///run/valkey?db=3", {"path": "/run/valkey", "db": 3, "password": HARD}),
        ("redis://:own@h", {"host": "h", "password": "own"}),
        ("redis://me:own@h", {"host": "h", "username": "me", "password": "own"}),
    ],
)
def test_the_password_arrives_as_it_was_given_unless_the_url_has_one(
    url: str, expected: dict[str, object]
) -> None:
    told = parse_url(redis_url(url, SecretStr(HARD)) or "")
    assert {name: told.get(name) for name in expected} == expected


def test_without_a_password_the_url_stays_as_it_is() -> None:
    assert redis_url("redis://h", None) == "redis://h"


def test_without_a_url_there_is_nothing_to_connect_to() -> None:
    assert redis_url(None, SecretStr(HARD)) is None
