from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dependency_graph.domain.cycle import Alert, AlertStatus
from dependency_graph.infrastructure.database import dumps
from dependency_graph.infrastructure.statements import statement
from dependency_graph.infrastructure.tables import alerts as table


class PostgresAlerts:
    """Alerts inside one transaction; see the port."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, alert_id: UUID) -> Alert | None:
        rows = await self._connection.execute(select(table).where(table.c.id == alert_id))
        row = rows.mappings().one_or_none()
        return None if row is None else _alert(row)

    async def through(self, service_ids: Collection[str]) -> Sequence[Alert]:
        rows = await self._connection.execute(statement("alerts_through"), {"service_ids": list(service_ids)})
        return [_alert(row) for row in rows.mappings()]

    async def unresolved(self) -> Sequence[Alert]:
        rows = await self._connection.execute(statement("unresolved_alerts"))
        return [_alert(row) for row in rows.mappings()]

    async def save(self, alerts: Collection[Alert]) -> None:
        if alerts:
            rows = dumps([_row(alert) for alert in alerts])
            await self._connection.execute(statement("save_alerts"), {"rows": rows})


def _alert(row: RowMapping) -> Alert:
    return Alert(
        row["id"],
        tuple(row["cycle_path"]),
        AlertStatus(row["status"]),
        row["detected_at"],
        row["acknowledged_by"],
        row["resolution_notes"],
        row["resolved_at"],
    )


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "id": str(alert.alert_id),
        "cycle_path": alert.cycle,
        "status": alert.status,
        "detected_at": alert.detected_at.isoformat(),
        "acknowledged_by": alert.acknowledged_by,
        "resolution_notes": alert.resolution_notes,
        "resolved_at": alert.resolved_at and alert.resolved_at.isoformat(),
    }
