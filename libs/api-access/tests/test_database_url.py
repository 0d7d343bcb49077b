import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from api_access.database_url import asyncpg_url
from api_access.engines import create_engine


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_every_postgresql_url_is_taken(scheme: str) -> None:
    url = asyncpg_url(f"{scheme}://u:p%40ss@h:1/d")
    assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p%40ss@h:1/d"


def test_sslmode_is_passed_on_in_the_word_of_the_driver() -> None:
    url = asyncpg_url("postgresql://h/d?sslmode=require")
    assert dict(url.query) == {"ssl": "require"}


def test_a_parameter_that_only_libpq_knows_is_named() -> None:
    with pytest.raises(ValueError, match="channel_binding"):
        asyncpg_url("postgresql://h/d?sslmode=require&channel_binding=require")


@pytest.mark.parametrize(
    "url", ["", "canary", "sqlite:///canary", "mysql://u:canary@h/d", "postgresql://u:canary@h:x/d"]
)
def test_anything_else_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        asyncpg_url(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://h:1/d", "postgresql://h:65535/d", "postgresql://h/d?sslmode=allow"]
)
def test_what_is_just_within_the_limits_is_taken(url: str) -> None:
    asyncpg_url(url)


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        ("postgresql://h:0/d", "port is from 1 to 65535"),
        ("postgresql://h:65536/d", "port is from 1 to 65535"),
        ("postgresql:///d?host=h&port=canary", "port is from 1 to 65535"),
        ("postgresql:///d?host=a&host=b&port=1&port=0", "port is from 1 to 65535"),
        ("postgresql://h/d?sslmode=canary", "sslmode is one of"),
    ],
)
def test_what_the_driver_would_stumble_over_is_told_at_once(url: str, limit: str) -> None:
    with pytest.raises(ValueError, match=limit) as caught:
        asyncpg_url(url)
    assert "canary" not in str(caught.value)


def test_several_hosts_are_passed_on() -> None:
    url = asyncpg_url("postgresql:///d?host=a&host=b&port=1&port=2")
    assert dict(url.query) == {"host": ("a", "b"), "port": ("1", "2")}


async def test_a_password_may_be_in_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = make_url(database_url).password
    engine = create_engine(database_url.replace(f":{password}@", "@"))
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(DBAPIError, match="password authentication failed"):
        await engine.connect()
    monkeypatch.setenv("PGPASSWORD", str(password))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()
