"""Which database ColdQuery works on: the one that the environment names, or one that it starts."""

import asyncio
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from api_access import asyncpg_url
from coldquery.grants import Grants
from coldquery.settings import Settings
from embedded_services import DataFolder, local_database

ROLE = "coldquery"
_PASSWORD_FILE = "role-password"  # noqa: S105  # the name of the file


def connect_arguments(url: URL) -> dict[str, Any]:
    """The arguments of `asyncpg.connect` for a URL of `asyncpg_url`; what it does not say is not among them."""
    told = {name: getattr(url, name) for name in ("host", "port", "database", "password")}
    told |= {name: url.query.get(name) for name in ("ssl", "target_session_attrs")}
    told["user"] = url.username
    # A socket's folder is no part of the address: postgresql:///shop?host=/run/postgresql
    told["host"] = told["host"] or url.query.get("host")
    if port := told["port"] or url.query.get("port"):
        told["port"] = int(str(port))
    return {name: value for name, value in told.items() if value is not None}


@contextmanager
def database(settings: Settings) -> Generator[dict[str, Any]]:
    """The arguments of `asyncpg.connect` for the database, good for as long as the context lasts.

    Where the environment names none, it is that of an embedded server on COLDQUERY_DATA_DIR, as a role that may
    read all of it, and write in the schema public. Raises EmbeddedServiceError or OSError where that cannot start.
    """
    if url := settings.database():
        yield connect_arguments(url)
        return
    with local_database(settings.coldquery_data_dir) as local:
        yield asyncio.run(_as_role(connect_arguments(asyncpg_url(local)), settings.coldquery_data_dir))


async def _as_role(admin: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    password = _kept_password(folder)
    await Grants(ROLE, read=["public"], write=["public"]).apply(admin, password)
    return {**admin, "user": ROLE, "password": password}


def _kept_password(folder: Path) -> str:
    """The password of the role: kept, as another process may be at work with it."""
    file = folder / _PASSWORD_FILE
    if not file.exists():
        DataFolder(folder).write_secret(file.name, secrets.token_urlsafe(24))
    return file.read_text()
