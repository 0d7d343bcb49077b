from datetime import datetime
from uuid import UUID

from dependency_graph.application.ports import Graph
from dependency_graph.domain.cycle import Alert, AlertStatus
from dependency_graph.domain.errors import AlertNotFound


async def review_alert(
    alert_id: UUID, status: AlertStatus, by: str | None, notes: str | None, graph: Graph, now: datetime
) -> Alert:
    """Store a person's decision on a circular dependency; the alert as it stands then.

    Raises AlertNotFound. Waits for ingests under way, which may reopen the same alert.
    """
    await graph.generation.lock()
    alert = await graph.alerts.get(alert_id)
    if alert is None:
        raise AlertNotFound(alert_id)
    reviewed = alert.reviewed(status, by, notes, now)
    await graph.alerts.save([reviewed])
    return reviewed
