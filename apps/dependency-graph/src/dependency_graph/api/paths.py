from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Service
from dependency_graph.application.find_paths import ShortestPaths, find_paths
from dependency_graph.domain.service import LONGEST_ID, check_service_id

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["dependencies"])

Target = Annotated[
    str,
    AfterValidator(check_service_id),
    Query(
        description="Id of the service that is depended on",
        openapi_examples={"payment": {"value": "paymentservice"}},
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^\S(.*\S)?$"},
    ),
]


@router.get("/services/{service_id:service_id}/paths", summary="How a service depends on another one")
async def get_paths(service_id: ServiceId, to: Target, service: Service) -> ShortestPaths:
    """Find all shortest dependency paths between two services, whatever is stale left out.

    At most 10 are told, the first in order of their ids. Where there is none, `length` is null and `paths`
    is empty; paths of more than 1,000 steps are not looked for. A service has one path to itself, of length 0.
    """
    return await find_paths(service_id, to, service.topology)
