from dataclasses import replace

from dependency_graph.application.ports import Graph
from dependency_graph.domain.service import Service


async def put_service(service: Service, graph: Graph) -> bool:
    """Store a service as its owner describes it; whether it was unknown before."""
    await graph.generation.lock()
    known = await graph.services.find({service.service_id})
    if await graph.services.save([replace(service, discovered=False)]):
        await graph.generation.advance()
    return not known
