from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Scope

from api_access import Principal
from dependency_graph.api.media_type import NDJSON, media_type, require_no_coding
from dependency_graph.api.ndjson import NdjsonRoute, read_lines
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.told_lines import ToldLines
from dependency_graph.api.wiring import API, Caller, Now, Service
from dependency_graph.application.ingest import ingest
from dependency_graph.application.ingest_once import Answer, Answers, Repeatable, answer_once
from dependency_graph.application.ingest_stream import Stream, ingest_stream
from dependency_graph.domain.dependency import DiscoverySource
from dependency_graph.schemas.bodies import BatchTold, Instant
from dependency_graph.schemas.ingest import IngestAnswer


class JsonRoute(StrictRoute):
    other_media_types = (NDJSON,)


router = APIRouter(prefix=API, route_class=JsonRoute)
PATH = "/services/dependencies"


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="the same key with the same body within 24 hours gives the same answer again",
    ),
]


_EXAMPLE = """\
{"service_id": "checkoutservice", "metadata": {"team": "checkout"}}
{"source": "checkoutservice", "target": "paymentservice", "attributes": {"protocol": "grpc"}}
"""
_BY_LINE: dict[str, Any] = {
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"for {NDJSON} only, and then required: as in a JSON body",
            "schema": {"type": "string"} | more,
        }
        for name, more in (
            ("source", {"enum": list(DiscoverySource)}),
            ("timestamp", {"format": "date-time"}),
        )
    ],
    "requestBody": {"content": {NDJSON: {"schema": {"type": "string"}, "example": _EXAMPLE}}},
}


def is_stream(scope: Scope) -> bool:
    """Whether a request brings a body of any length."""
    return scope["type"] == "http" and scope["path"] == API + PATH and media_type(scope) == NDJSON


async def ingest_lines(
    request: Request,
    source: DiscoverySource,
    timestamp: Instant,
    service: Service,
    caller: Caller,
    now: Now,
    idempotency_key: Key = None,
) -> Response:
    """As `ingest_dependencies`, for a body of any length; nothing is held for it before all of it is there."""
    require_no_coding(request.scope)
    with service.spool() as spool:
        lines = ToldLines(source, timestamp, spool)
        await read_lines(request.stream(), lines)
        async with spool.delivery() as (graph, told):

            async def work() -> Answer:
                done = await ingest_stream(Stream(source, timestamp, told, lines.loops), graph, now)
                return IngestAnswer.of(lines.nodes, lines.edges, done).model_dump(mode="json")

            answer, replayed = await _once(caller, idempotency_key, lines.digest, graph.answers, work)
    return _accepted(answer, replayed)


router.add_api_route(
    PATH,
    ingest_lines,
    methods=["POST"],
    status_code=202,
    route_class_override=NdjsonRoute,
    include_in_schema=False,
)


@router.post(
    PATH,
    status_code=202,
    response_model=IngestAnswer,
    summary="Tell of services and their dependencies",
    tags=["dependencies"],
    openapi_extra=_BY_LINE,
)
async def ingest_dependencies(
    told: BatchTold, request: Request, service: Service, caller: Caller, now: Now, idempotency_key: Key = None
) -> Response:
    """Store what one source observed, all of it or nothing. The same body twice changes nothing.

    Unknown ends of edges become placeholders, an edge from a service to itself is left out with a warning,
    and every circular dependency through an edge of the body is listed. As `application/x-ndjson`, a service
    or a dependency on each line, a body may have any length.
    """
    batch = told.as_batch()
    digest = sha256(await request.body()).digest() if idempotency_key else b""
    async with service.transaction() as graph:

        async def work() -> Answer:
            done = await ingest(batch, graph, now)
            return IngestAnswer.of(len(told.nodes), len(told.edges), done).model_dump(mode="json")

        answer, replayed = await _once(caller, idempotency_key, digest, graph.answers, work)
    return _accepted(answer, replayed)


async def _once(
    caller: Principal, key: str | None, digest: bytes, answers: Answers, work: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    if key is None:
        return await work(), False
    return await answer_once(Repeatable(caller.key_id, key, digest), answers, work)


def _accepted(answer: Answer, replayed: bool) -> Response:
    return JSONResponse(answer, 202, headers={"Idempotency-Replayed": "true"} if replayed else None)
