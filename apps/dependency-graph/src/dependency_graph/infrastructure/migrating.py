from pathlib import Path

from sqlalchemy.exc import DBAPIError

from api_access import ACCESS_MIGRATIONS, Migrations
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database

GRAPH_MIGRATIONS = Migrations(Path(__file__).parents[1] / "migrations", schema="graph", lock=0x67726170_6873)

_ALL = {"graph": GRAPH_MIGRATIONS, "access": ACCESS_MIGRATIONS}


class MigrationFailed(Exception):
    """The database could not be brought up to date."""

    def __init__(self, error: Exception) -> None:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        super().__init__(f"the database could not be brought up to date; see DATABASE_URL. {reason}")


def migrate(url: str) -> None:
    """Bring the schemas `graph` and `access` of the database at `url` up to date. Blocks.

    Raises MigrationFailed where the database cannot be reached, or does not let it be done.
    """
    try:
        for migrations in _ALL.values():
            migrations.upgrade(url)
    except (OSError, DBAPIError, ValueError) as error:
        raise MigrationFailed(error) from error


async def what_is_missing(database: Database) -> list[str]:
    """What keeps the service from working, one sentence each; nothing if it is ready."""
    try:
        async with database.read() as connection:
            pending = [schema for schema, migrations in _ALL.items() if await migrations.pending(connection)]
    except (GraphUnavailable, GraphBusy) as error:
        return [str(error)]
    return [f"The schema {schema!r} is not up to date: run `dependency-graph migrate`." for schema in pending]
