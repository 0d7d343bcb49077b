from typing import Annotated

from fastapi import APIRouter, Query

from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Service
from dependency_graph.application.analyze_impact import BlastRadius, analyze_impact
from dependency_graph.schemas.dependencies import ALL_THE_WAY, ImpactDepth

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["dependencies"])


@router.get("/services/{service_id:service_id}/impact", summary="What fails or degrades with a service")
async def get_impact(
    service_id: ServiceId,
    service: Service,
    depth: ImpactDepth = ALL_THE_WAY,
    limit: Annotated[int, Query(ge=1, le=10000, description="services, the most critical first")] = 1000,
) -> BlastRadius:
    """Find everything upstream that is hit when a service fails, whatever is stale left out.

    A service `fails` where some path to the failing one, of at most `depth` steps, is hard all the way, else it `degrades`. The order
    is by criticality, then distance, then id. `path` is an example, from the service that is hit to the
    failing one: a shortest hard path if it fails, else a shortest one; `distance` is its length. `statistics`
    count all that is hit, also where `limit` makes the answer `truncated`.
    """
    return await analyze_impact(service_id, depth, limit, service.topology)
