from datetime import datetime
from uuid import UUID

from dependency_graph.application.cycle_watch import cycles_still_there
from dependency_graph.application.ports import Graph
from dependency_graph.domain.cycle import Alert, AlertStatus
from dependency_graph.domain.errors import AlertNotFound, CycleIsGone


async def review_alert(
    alert_id: UUID, status: AlertStatus, by: str | None, notes: str | None, graph: Graph, now: datetime
) -> Alert:
    """Store a person's decision on a circular dependency; the alert as it stands then.

    Raises AlertNotFound, and CycleIsGone for a decision that it be open. Waits for ingests under way, which may reopen the same alert.
    """
    await graph.generation.lock()
    alert = await graph.alerts.get(alert_id)
    if alert is None:
        raise AlertNotFound(alert_id)
    if status is not AlertStatus.RESOLVED and not await cycles_still_there(graph, {alert.cycle}):
        raise CycleIsGone
    reviewed = alert.reviewed(status, by, notes, now)
    await graph.alerts.save([reviewed])
    return reviewed
