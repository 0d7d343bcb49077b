"""What a migration must not do while the release before still runs on the same database."""

import io
import re
from collections.abc import Callable

from alembic.migration import MigrationContext
from alembic.operations import Operations

NARROWING = (
    re.compile(r"\bDROP\s+(?!INDEX\b)"),
    re.compile(r"\bRENAME\b"),
    re.compile(r"\bALTER\s+COLUMN\b(?!.*\b(SET|DROP)\s+DEFAULT\b)"),
    re.compile(r"\bADD\s+COLUMN\b(?!.*\bDEFAULT\b).*\bNOT\s+NULL\b"),
    re.compile(r"\bALTER\s+TABLE\b.*\bADD\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY)\b"),
    re.compile(r"^(TRUNCATE|DELETE|UPDATE)\b"),
)
CONTRACT = re.compile(r"\bcontracts?\b", re.IGNORECASE)


def statements_of(upgrade: Callable[[], None]) -> list[str]:
    """The SQL that it would execute on PostgreSQL."""
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations.context(context):
        upgrade()
    return [statement for text in written.getvalue().split(";") if (statement := " ".join(text.split()))]


def narrowing(statements: list[str]) -> list[str]:
    """Those after which the release before fails, or loses what it wrote."""
    return [one for one in statements if any(rule.search(one.upper()) for rule in NARROWING)]


def says_so(docstring: str | None) -> bool:
    """Whether a migration says that it is the contracting half of a change."""
    return CONTRACT.search(docstring or "") is not None
