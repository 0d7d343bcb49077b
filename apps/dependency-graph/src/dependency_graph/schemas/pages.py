"""Lists that are answered page by page."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel

from dependency_graph.application.queries import AlertView, ServiceView
from dependency_graph.schemas.cursor import encode_cursor


class ServicePage(BaseModel):
    services: list[ServiceView]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[ServiceView], limit: int) -> Self:
        """The first `limit` of `found`, which holds one more where there is a further page."""
        more = encode_cursor(found[limit - 1].service_id) if len(found) > limit else None
        return cls(services=list(found[:limit]), next_cursor=more)


class AlertPage(BaseModel):
    circular_dependencies: list[AlertView]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Sequence[AlertView], limit: int) -> Self:
        """The first `limit` of `found`, which holds one more where there is a further page."""
        more = encode_cursor(str(found[limit - 1].alert_id)) if len(found) > limit else None
        return cls(circular_dependencies=list(found[:limit]), next_cursor=more)
