import pytest
import typer

from coldquery.database import connect_arguments
from coldquery.limits import Limits
from coldquery.settings import Settings
from service_settings import read_settings


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def wrong(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as left:
        read_settings(Settings)
    assert left.value.exit_code == 2
    return capsys.readouterr().err


def test_without_a_database_none_is_named() -> None:
    assert Settings().database() is None


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (
            "postgresql://me:s%40cret@db:5433/shop",
            {"host": "db", "port": 5433, "user": "me", "password": "s@cret", "database": "shop"},
        ),
        ("postgres://db", {"host": "db"}),
        ("postgresql+psycopg://db/shop", {"host": "db", "database": "shop"}),
        (
            "postgresql://db/shop?sslmode=verify-full",
            {"host": "db", "database": "shop", "ssl": "verify-full"},
        ),
        (
            "postgresql://me@/shop?host=/run/postgresql&port=5433",
            {"host": "/run/postgresql", "port": 5433, "user": "me", "database": "shop"},
        ),
        ("postgresql://db:65535", {"host": "db", "port": 65535}),
        ("postgresql://db:1", {"host": "db", "port": 1}),
        (
            "postgresql://db/shop?target_session_attrs=read-only",
            {"host": "db", "database": "shop", "target_session_attrs": "read-only"},
        ),
    ],
)
def test_the_database_of_a_url_is_what_the_driver_is_told(
    given: pytest.MonkeyPatch, url: str, arguments: dict[str, object]
) -> None:
    given.setenv("DATABASE_URL", url)
    database = Settings().database()
    assert database is not None
    assert connect_arguments(database) == arguments


def test_a_database_in_parts_needs_no_encoding(given: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "db",
        "PORT": "5433",
        "USER": "m:e",
        "PASSWORD": "p@ss/%",
        "DATABASE": "a/b",
    }.items():
        given.setenv(f"DB_{name}", value)
    database = Settings().database()
    assert database is not None
    assert connect_arguments(database) == {
        "host": "db",
        "port": 5433,
        "user": "m:e",
        "password": "p@ss/%",
        "database": "a/b",
    }


def test_of_a_database_in_parts_the_host_is_enough(given: pytest.MonkeyPatch) -> None:
    given.setenv("DB_HOST", "db")
    database = Settings().database()
    assert database is not None
    assert connect_arguments(database) == {
        "host": "db",
        "port": 5432,
        "user": "postgres",
        "database": "postgres",
    }


def test_a_url_goes_before_parts(given: pytest.MonkeyPatch) -> None:
    given.setenv("DATABASE_URL", "postgresql://one/shop")
    given.setenv("DB_HOST", "other")
    given.setenv("DB_PORT", "1")
    database = Settings().database()
    assert database is not None
    assert database.host == "one"


def test_parts_without_a_host_are_refused_rather_than_a_server_started(
    given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given.setenv("DB_USER", "me")
    given.setenv("DB_PASSWORD", "secret")
    assert wrong(capsys) == (
        "Error: DB_HOST: is not set, and without it DB_USER, DB_PASSWORD cannot be of any server\n"
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "ACCESS_DATABASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:secret@db/shop",
        "secret",
        "postgresql://me:secret@db:port/shop",
        "postgresql://me:secret@db?x=1",
        "postgresql://me:secret@db/shop?sslmode=secret",
        "postgresql://me:secret@db:65536/shop",
        "postgresql://me:secret@db:0/shop",
        "postgresql://me:secret@/shop?host=/run&port=secret",
    ],
)
def test_a_wrong_url_is_told_without_what_it_holds(
    given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, url: str
) -> None:
    given.setenv(name, url)
    told = wrong(capsys)
    assert told.startswith(f"Error: {name}: ")
    assert told.count("\n") == 1
    assert "secret" not in told


def test_no_secret_is_in_what_settings_look_like(given: pytest.MonkeyPatch) -> None:
    given.setenv("DATABASE_URL", "postgresql://me:hidden@db/shop")
    given.setenv("DB_PASSWORD", "hidden")
    given.setenv("COLDQUERY_ROLE_PASSWORD", "hidden")
    settings = Settings()
    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(settings.database())


def test_limits_are_those_of_the_server_unless_the_environment_has_others(given: pytest.MonkeyPatch) -> None:
    assert Settings().limits() == Limits()
    assert (Settings().limits().max_sessions, Settings().limits().session_seconds) == (10, 1800)
    for name, value in {
        "COLDQUERY_MAX_ROWS": "1",
        "COLDQUERY_MAX_BYTES": "2000",
        "COLDQUERY_TIMEOUT_MS": "3",
        "MAX_SESSIONS": "4",
        "SESSION_TTL_SECONDS": "5",
        "COLDQUERY_RESERVED": "6",
        "COLDQUERY_CURSOR_SECONDS": "7",
        "COLDQUERY_WAIT_SECONDS": "8",
    }.items():
        given.setenv(name, value)
    assert Settings().limits() == Limits(1, 2000, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("COLDQUERY_PORT", ["0", "65535"], ["-1", "65536"]),
        ("MAX_SESSIONS", ["1", "1000"], ["0", "1001"]),
        ("SESSION_TTL_SECONDS", ["0.1", "86400"], ["0", "86401"]),
        ("COLDQUERY_RESERVED", ["3", "1000"], ["2", "1001"]),
        ("COLDQUERY_MAX_ROWS", ["1", "1000000"], ["0", "1000001"]),
        ("COLDQUERY_MAX_BYTES", ["1000", "100000000"], ["999", "100000001"]),
        ("COLDQUERY_TIMEOUT_MS", ["1", "86400000"], ["0", "86400001"]),
        ("COLDQUERY_CURSOR_SECONDS", ["0.1", "3600"], ["0", "3601"]),
        ("COLDQUERY_WAIT_SECONDS", ["0.1", "600"], ["0", "601"]),
        ("RATE_LIMIT_QUERY", ["1/min"], ["0/min", "often"]),
        ("REDIS_URL", ["redis://db"], ["http://db"]),
        ("LOG_LEVEL", ["DEBUG"], ["debug"]),
    ],
)
def test_a_setting_is_taken_up_to_its_bounds_and_refused_beyond(
    given: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, good: list[str], bad: list[str]
) -> None:
    for value in good:
        given.setenv(name, value)
        read_settings(Settings)
    for value in bad:
        given.setenv(name, value)
        assert wrong(capsys).startswith(f"Error: {name}: ")
