import pytest

from api_access.database_url import asyncpg_url


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
