from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dependency_graph.api.service_id import ServiceId
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.wiring import API, Now, Reader, Service
from dependency_graph.application import queries
from dependency_graph.application.delete_service import delete_service
from dependency_graph.application.put_service import put_service
from dependency_graph.application.queries import ServiceFilter, ServiceView
from dependency_graph.domain import service as domain
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.domain.service import Criticality
from dependency_graph.schemas.bodies import Metadata, Name, Told
from dependency_graph.schemas.cursor import PageSize, TextCursor
from dependency_graph.schemas.pages import ServicePage

router = APIRouter(prefix=API, route_class=StrictRoute, tags=["services"])

_ONE = "/services/{service_id:service_id}"


class ServiceTold(Told):
    """A service as its owner describes it, whole: what is left out goes back to its default.

    `team` and `criticality` may stand beside the metadata or in it, but must not differ.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"team": "checkout", "criticality": "critical", "metadata": {"tier": 1}}]
        }
    )

    team: Name | None = None
    criticality: Annotated[Criticality | None, Field(strict=False)] = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _agree(self) -> "ServiceTold":
        for name in ("team", "criticality"):
            beside, within = getattr(self, name), getattr(self.metadata, name, None)
            if beside and within and beside != within:
                raise ValueError(f"{name} is {beside!r} here and {within!r} in the metadata")
        return self

    def as_service(self, service_id: str) -> domain.Service:
        metadata = self.metadata.as_told() if self.metadata else {}
        own = {"team": self.team, "criticality": self.criticality}
        described = domain.Service.registered(service_id, metadata | {k: v for k, v in own.items() if v})
        return described.with_metadata(metadata)


class DeletionAnswer(BaseModel):
    service_id: str
    deleted_dependencies: int


@router.get("/services", summary="List services")
async def list_services(
    reader: Reader,
    team: Annotated[Name | None, Query()] = None,
    criticality: Criticality | None = None,
    discovered: Annotated[bool | None, Query(description="placeholders, or registered services")] = None,
    q: Annotated[Name | None, Query(description="part of the id, in any case")] = None,
    limit: PageSize = 100,
    cursor: TextCursor = None,
) -> ServicePage:
    """The services that fulfil all conditions, in order of their ids, page by page."""
    wanted = ServiceFilter(team, criticality, discovered, q)
    return ServicePage.of(await reader.services(wanted, cursor or "", limit + 1), limit)


@router.get(_ONE, response_model=ServiceView, summary="One service")
async def get_service(service_id: ServiceId, reader: Reader) -> queries.ServiceView:
    return await _view(service_id, reader)


@router.put(
    _ONE,
    response_model=ServiceView,
    responses={201: {"model": ServiceView, "description": "The service is new"}},
    summary="Describe a service",
)
async def put_one_service(
    service_id: ServiceId, told: ServiceTold, service: Service, response: Response
) -> queries.ServiceView:
    """Register a service, or replace what is known of it. It is no placeholder any more."""
    async with service.transaction() as graph:
        created = await put_service(told.as_service(service_id), graph)
    response.status_code = 201 if created else 200
    return await _view(service_id, service.reader)


@router.delete(_ONE, summary="Remove a service")
async def delete_one_service(service_id: ServiceId, service: Service, now: Now) -> DeletionAnswer:
    """Remove a service and its dependencies; alerts of cycles that are gone with it resolve themselves."""
    async with service.transaction() as graph:
        deleted = await delete_service(service_id, graph, now)
    return DeletionAnswer(service_id=service_id, deleted_dependencies=deleted)


async def _view(service_id: str, reader: queries.GraphReader) -> ServiceView:
    view = await reader.service(service_id)
    if view is None:
        raise ServiceNotFound(service_id)
    return view
