from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from embedded_services import EmbeddedPostgres, EmbeddedValkey
from fleet.settings import Settings
from fleet.supervisor import Supervisor, Watched


class Store(NamedTuple):
    """A database or a cache; `url` may hold a password."""

    name: str
    url: str
    health: str


class Stores(NamedTuple):
    database: Store
    cache: Store

    def environment(self) -> dict[str, str]:
        """How services are told of them."""
        # One key works everywhere: the CI service looks keys up where the graph service keeps them.
        return {
            "DATABASE_URL": self.database.url,
            "REDIS_URL": self.cache.url,
            "ACCESS_DATABASE_URL": self.database.url,
        }


def start_stores(settings: Settings, folder: Path, supervisor: Supervisor, running: ExitStack) -> Stores:
    """The database and the cache that `settings` name, or else embedded ones below `folder`.

    `supervisor` watches those started here, and `running` stops them. Raises EmbeddedServiceError.
    """

    def start(name: str, server: EmbeddedPostgres | EmbeddedValkey, log: Path) -> Store:
        running.enter_context(server)
        supervisor.watch(Watched(name, log, server.exit_code))
        return Store(name, server.url, "ready")

    def database() -> Store:
        if settings.database_url:
            return Store("PostgreSQL", settings.database_url, "given by DATABASE_URL")
        home = folder / "postgres"
        return start("PostgreSQL", EmbeddedPostgres(home), home / "postgres.log")

    def cache() -> Store:
        if settings.redis_url:
            return Store("Redis", settings.redis_url, "given by REDIS_URL")
        home = folder / "valkey"
        return start("Valkey", EmbeddedValkey(home), home / "valkey.log")

    return Stores(database(), cache())
