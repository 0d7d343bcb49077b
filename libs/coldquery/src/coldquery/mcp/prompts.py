"""What a user may have an agent do; each gives the words for it."""

from typing import Any

from fastmcp.exceptions import PromptError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp_types import GetPromptRequestParams


class PromptArguments(Middleware):
    """Says which arguments a prompt lacks: what it raises itself is masked, and taken for an error of ours."""

    async def on_get_prompt(
        self,
        context: MiddlewareContext[GetPromptRequestParams],
        call_next: CallNext[GetPromptRequestParams, Any],
    ) -> Any:
        name, given = context.message.name, context.message.arguments or {}
        server = context.fastmcp_context
        prompt = await server.fastmcp.get_prompt(name) if server else None
        arguments = (prompt and prompt.arguments) or []
        if lacking := [
            argument.name for argument in arguments if argument.required and argument.name not in given
        ]:
            raise PromptError(f"The prompt {name} needs {', '.join(lacking)}.")
        return await call_next(context)


def analyze_query_performance(sql: str) -> str:
    """Find out why a query is slow, and what would make it faster."""
    return f"""\
Find out why this query is slow, and what would make it faster:

```sql
{sql}
```

1. pg_query action `explain` tells the plan. Only if the query does nothing but read, and may run, add
   `analyze: true` for real times and rows; else go by the estimates.
2. Look for sequential scans of large tables, estimates far from the real rows, sorts and hashes that spill to
   disk, nested loops over many rows, and filters that throw most rows away.
3. pg_schema action `describe` tells the indexes and columns of each table that costs much; pg_admin action
   `stats` when it was last analyzed and vacuumed; pg_monitor action `index_health` which indexes are not used.
4. Tell the cause with the lines of the plan that show it, then what to do, the surest first: the exact
   CREATE INDEX, a rewritten query, or ANALYZE. Say what each costs. Do not change anything unasked.
"""


def debug_lock_contention() -> str:
    """Find out who waits for whom, and how to end it."""
    return """\
Find out which sessions of the database wait for locks, and why.

1. pg_monitor action `locks` tells who waits for whom, and for what.
2. pg_monitor action `activity` with `include_idle: true` tells what each of them runs, and since when; one that is
   `idle in transaction` holds its locks until its client ends the transaction.
3. Follow the waits to those who wait for nobody: they are the cause. pg_tx action `list` tells whether one is a
   session of your own: then commit it or roll it back.
4. Tell who blocks whom, for how long, with which statement, and what would end it: whom to ask, or
   pg_cancel_backend or pg_terminate_backend with the exact pid. Do not end anybody's session unasked.
"""
