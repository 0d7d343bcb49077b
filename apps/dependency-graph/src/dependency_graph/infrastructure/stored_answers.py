from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.application.ingest_once import Answer, Repeatable
from dependency_graph.infrastructure.tables import stored_answers as table

KEPT_FOR = timedelta(hours=24)


class StoredAnswers:
    """Answers by Idempotency-Key inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, request: Repeatable) -> bool:
        number = func.hashtextextended(f"{request.key_id}:{request.idempotency_key}", 0)
        return (await self._connection.execute(select(func.pg_try_advisory_xact_lock(number)))).scalar_one()

    async def find(self, request: Repeatable) -> tuple[bytes, Answer] | None:
        wanted = select(table.c.body_digest, table.c.answer).where(
            table.c.key_id == request.key_id,
            table.c.idempotency_key == request.idempotency_key,
            ~_outdated(),
        )
        row = (await self._connection.execute(wanted)).one_or_none()
        return None if row is None else (row.body_digest, row.answer)

    async def save(self, request: Repeatable, answer: Answer) -> None:
        await self._connection.execute(delete(table).where(_outdated()))
        await self._connection.execute(
            insert(table).values(
                key_id=request.key_id,
                idempotency_key=request.idempotency_key,
                body_digest=request.body_digest,
                answer=answer,
            )
        )


def _outdated() -> ColumnElement[bool]:
    return table.c.created_at <= func.now() - KEPT_FOR
