"""Ids of services in paths, where they may hold anything, slashes too."""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Path
from pydantic import BeforeValidator
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

from dependency_graph.domain.service import LONGEST_ID, check_service_id


class RawPath:
    """Lets routing look at the path as it was sent, so that an encoded slash is part of an id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            # Changed in place, as outer layers look into the scope for the route that was found.
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self.app(scope, receive, send)


class _EncodedId(Convertor[str]):
    """The rest of a path, as it was sent, up to a sub-route if the route names one."""

    regex = ".+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("service_id", _EncodedId())


def _decoded(raw: str) -> str:
    try:
        return check_service_id(unquote_to_bytes(raw.encode("latin-1")).decode())
    except UnicodeDecodeError:
        raise ValueError("a service id in a path is percent-encoded UTF-8") from None


ServiceId = Annotated[
    str,
    BeforeValidator(_decoded),
    Path(
        description="Id of a service, percent-encoded where it holds `/`, spaces or non-ASCII letters",
        openapi_examples={"checkout": {"value": "checkoutservice"}},
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^\S(.*\S)?$"},
    ),
]
