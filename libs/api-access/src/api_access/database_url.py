from collections.abc import Sequence

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LARGEST_PORT = 65535
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
    # The driver would say so only once it connects.
    if (mode := query.get("ssl")) is not None and mode not in _SSL_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_SSL_MODES)}")
    if not all(map(_is_port, _ports(parsed))):
        raise ValueError(f"the port is from 1 to {_LARGEST_PORT}")
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def _ports(url: URL) -> Sequence[str]:
    """Of all hosts: there may be several, of which the first that answers is taken."""
    told = url.query.get("port", ()) if url.port is None else str(url.port)
    return (told,) if isinstance(told, str) else told


def _is_port(text: str) -> bool:
    return text.isdecimal() and 1 <= int(text) <= _LARGEST_PORT
