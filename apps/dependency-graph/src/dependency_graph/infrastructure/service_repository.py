from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.service import Criticality, Service, ServiceType
from dependency_graph.infrastructure.database import dumps
from dependency_graph.infrastructure.statements import statement


class PostgresServices:
    """Services inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, service_ids: Collection[str]) -> Mapping[str, Service]:
        rows = await self._connection.execute(statement("find_services"), {"service_ids": list(service_ids)})
        return {row["service_id"]: _service(row) for row in rows.mappings()}

    async def unknown(self, service_ids: Collection[str]) -> Sequence[str]:
        rows = await self._connection.scalars(
            statement("unknown_services"), {"service_ids": list(service_ids)}
        )
        return rows.all()

    async def save(self, services: Collection[Service]) -> int:
        rows = dumps([_row(service) for service in services])
        return await self._connection.scalar(statement("save_services"), {"rows": rows}) or 0

    async def delete(self, service_id: str) -> int | None:
        return await self._connection.scalar(statement("delete_service"), {"service_id": service_id})

    async def idle_placeholders(self, beginnings: Collection[str]) -> Sequence[str]:
        rows = await self._connection.scalars(
            statement("idle_placeholders"), {"beginnings": list(beginnings)}
        )
        return rows.all()

    async def withdraw(self, service_ids: Collection[str]) -> Sequence[str]:
        rows = await self._connection.scalars(
            statement("withdraw_services"), {"service_ids": list(service_ids)}
        )
        return rows.all()


def _service(row: RowMapping) -> Service:
    return Service(
        row["service_id"],
        row["metadata"],
        row["team"],
        Criticality(row["criticality"]),
        ServiceType(row["service_type"]),
        row["discovered"],
    )


def _row(service: Service) -> dict[str, Any]:
    return {
        "service_id": service.service_id,
        "metadata": service.metadata,
        "team": service.team,
        "criticality": service.criticality,
        "service_type": service.service_type,
        "discovered": service.discovered,
    }
