from datetime import datetime

from dependency_graph.application.cycle_watch import resolve_cycles
from dependency_graph.application.ports import Graph
from dependency_graph.domain.errors import ServiceNotFound


async def delete_service(service_id: str, graph: Graph, now: datetime) -> int:
    """Remove a service and its dependencies; their number. Raises ServiceNotFound."""
    await graph.generation.lock()
    alerts = await graph.alerts.through({service_id})
    deleted = await graph.services.delete(service_id)
    if deleted is None:
        raise ServiceNotFound(service_id)
    await resolve_cycles(graph, alerts, now)
    await graph.generation.advance()
    return deleted
