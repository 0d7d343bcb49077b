from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_PARAMETERS = {"ssl", "host", "port", "target_session_attrs", "prepared_statement_cache_size"}


def database_url(url: str | URL) -> URL:
    """`url` for SQLAlchemy: a SQLite file's on aiosqlite, or as `asyncpg_url`."""
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    if not text.startswith("sqlite"):
        return asyncpg_url(text)
    return make_url(text).set(drivername="sqlite+aiosqlite")


def asyncpg_url(url: str) -> URL:
    """`url` for SQLAlchemy on asyncpg, whichever driver it names, as in `postgresql+psycopg://` or `postgres://`.

    libpq's `sslmode` becomes asyncpg's `ssl`, which takes the same words. Raises `ValueError` where `url` is
    no PostgreSQL URL or has parameters that only libpq knows; the text does not repeat the URL, as it may
    hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL") from None
    if parsed.drivername.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("not the URL of a PostgreSQL database")
    query = {("ssl" if name == "sslmode" else name): value for name, value in parsed.query.items()}
    if unknown := sorted(query.keys() - _PARAMETERS):
        raise ValueError(
            f"parameters of the database URL that the driver does not take: {', '.join(unknown)}"
        )
    return parsed.set(drivername="postgresql+asyncpg", query=query)
