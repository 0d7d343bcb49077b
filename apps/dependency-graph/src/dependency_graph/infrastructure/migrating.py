from pathlib import Path

from api_access import ACCESS_MIGRATIONS, Migrations
from dependency_graph.domain.errors import GraphBusy, GraphUnavailable
from dependency_graph.infrastructure.database import Database

GRAPH_MIGRATIONS = Migrations(Path(__file__).parents[1] / "migrations", schema="graph", lock=0x67726170_6873)

_ALL = {"graph": GRAPH_MIGRATIONS, "access": ACCESS_MIGRATIONS}


def migrate(url: str) -> None:
    """Bring the schemas `graph` and `access` of the database at `url` up to date. Blocks."""
    for migrations in _ALL.values():
        migrations.upgrade(url)


async def what_is_missing(database: Database) -> list[str]:
    """What keeps the service from working, one sentence each; nothing if it is ready."""
    try:
        async with database.read() as connection:
            pending = [schema for schema, migrations in _ALL.items() if await migrations.pending(connection)]
    except (GraphUnavailable, GraphBusy) as error:
        return [str(error)]
    return [f"The schema {schema!r} is not up to date: run `dependency-graph migrate`." for schema in pending]
