from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coldquery.statements.classification import offence


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as PostgreSQL's parser understands it."""

    sql: str
    """The text as it came, with its comments and its last semicolon."""
    node: str
    """The name of its top node: "SelectStmt", "InsertStmt", "ExplainStmt"."""
    tree: Mapping[str, Any]
    """What is in that node, by the names of PostgreSQL's parse nodes."""

    @property
    def reads(self) -> bool:
        """Whether it is no more than a read by its syntax.

        What it calls is another question: `require_harmless` answers that.
        """
        return offence(self.node, self.tree) is None
