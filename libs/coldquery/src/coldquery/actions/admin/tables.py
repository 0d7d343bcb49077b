from dataclasses import dataclass

from coldquery.actions.catalogue import Catalogue
from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted


@dataclass(frozen=True, slots=True)
class Table:
    """A table, materialized view or index."""

    oid: int
    schema: str
    name: str
    kind: str
    """As pg_class has it."""
    maintainable: bool
    """Whether this server's role may vacuum and analyze it."""

    @property
    def quoted(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def is_index(self) -> bool:
        return self.kind in "iI"

    @property
    def is_partitioned(self) -> bool:
        return self.kind in "pI"


async def table_named(catalogue: Catalogue, name: str) -> Table:
    """What `name` means: as it is stored or quoted, alone (then by the search path) or as schema.name.

    Raises Refused where that is nothing, or more than one.
    """
    rows = await catalogue.rows("table_named", name, list(catalogue.path))
    tables = [Table(**row) for row in rows]
    if len(tables) > 1:
        meant = " or ".join(table.quoted for table in tables)
        raise Refused(f"{name!r} can mean {meant}.", hint="Give one of these, with its double quotes.")
    if not tables:
        raise Refused(
            f"There is no table {name!r}.",
            hint='Names are taken as they are stored: public.purchase, or "My Schema"."my.table". '
            "pg_schema list tells those there are.",
        )
    return tables[0]
