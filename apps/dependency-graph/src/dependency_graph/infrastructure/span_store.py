import asyncio
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.dependency import CommunicationMode
from dependency_graph.domain.span import Call, Half
from dependency_graph.infrastructure.database import dumps
from dependency_graph.infrastructure.statements import statement


class PostgresOpenSpans:
    """Spans that wait for their other half, inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def meet(self, halves: Collection[Half]) -> list[Call]:
        rows = {"rows": await asyncio.to_thread(_rows, halves)}
        for name in ("take_turns_with_spans", "forget_open_spans"):
            await self._connection.execute(statement(name))
        await self._connection.execute(statement("save_open_spans"), rows)
        found = await self._connection.execute(statement("pair_open_spans"), rows)
        return [Call((source, target), CommunicationMode(mode)) for source, target, mode in found]


def _rows(halves: Iterable[Half]) -> str:
    # One by one, as a single call for all would keep the other threads waiting too.
    return f"[{','.join(dumps(_row(half)) for half in halves)}]"


def _row(half: Half) -> dict[str, Any]:
    trace_id, span_id = half.span_id
    return {
        "trace_id": trace_id.hex(),
        "span_id": span_id.hex(),
        "communication_mode": half.communication_mode,
        "is_caller": half.is_caller,
        "service_id": half.service_id,
    }
