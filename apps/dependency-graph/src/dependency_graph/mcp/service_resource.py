from fastmcp.exceptions import ResourceError, ValidationError
from pydantic import TypeAdapter

from dependency_graph.application.queries import ServiceView
from dependency_graph.domain.errors import ServiceNotFound
from dependency_graph.domain.service import check_service_id
from dependency_graph.mcp.errors import told_as
from dependency_graph.mcp.graph_service import GraphService

_VIEW = TypeAdapter(ServiceView)


class ServiceResource:
    """One service as a resource; the docstring of `read` is what an agent reads."""

    def __init__(self, service: GraphService) -> None:
        self._service = service

    async def read(self, service_id: str) -> str:
        """A service: team, criticality, type and metadata. The id is percent-encoded: service://a%2Fb is a/b."""
        # What comes as a validation error is answered as parameters that are not valid, as MCP has it
        # for a resource that is not there.
        with told_as(ValidationError):
            check_service_id(service_id)
        with told_as(ResourceError):
            view = await self._service.reader.service(service_id)
        with told_as(ValidationError):
            if view is None:
                raise ServiceNotFound(service_id)
        return _VIEW.dump_json(view).decode()
