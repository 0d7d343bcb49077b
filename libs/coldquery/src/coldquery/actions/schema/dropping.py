from coldquery.errors import Refused
from coldquery.statements.identifiers import quoted
from coldquery.statements.parsing import parse
from coldquery.statements.statement import Statement

TARGETS = (
    "table", "view", "materialized view", "foreign table", "index", "sequence", "schema", "function",
    "procedure", "type", "domain", "extension",
)  # fmt: skip
_IN_NO_SCHEMA = ("schema", "extension")


def drop_statement(target: str, schema: str | None, name: str, *, cascade: bool) -> Statement:
    """The DROP of it. Raises Refused for a target that takes more than a name, and for names that none can have."""
    kind = " ".join(target.lower().split())
    if kind not in TARGETS:
        raise Refused(
            f"drop does not take {target!r} as target.",
            hint=f"It takes {', '.join(TARGETS)}; for others use pg_query action write with DROP.",
        )
    if schema is not None and kind in _IN_NO_SCHEMA:
        raise Refused(f"A {kind} is in no schema.", hint="Leave out schema, and give its name as name.")
    called = quoted(name) if schema is None else quoted(schema, name)
    return parse(f"DROP {kind.upper()} {called}{' CASCADE' if cascade else ''}")
