from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from fleet_metadata.api.accept import prefers_text
from fleet_metadata.collection.answer import etag_of, is_known
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.selection import Selection
from fleet_metadata.collection.text import as_text
from fleet_metadata.collection.untold import NoSuchKey, NotTold, why_untold
from fleet_metadata.schemas import Entry, KeyQuery, MetadataAnswer, MetadataQuery
from problem_details import Problem

router = APIRouter(tags=["metadata"])

Key = Annotated[str, Path(openapi_examples={"branch": {"value": "git_branch"}})]


def _header(name: str, description: str) -> dict[str, Any]:
    # Not a parameter of the route, which would read one line of it, and there may be several.
    schema = {"type": "string"}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


_IF_NONE_MATCH = _header("If-None-Match", "the `ETag` of an answer that is there already")
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As `If-None-Match` has it"}}


def _board(request: Request) -> Board:
    return request.state.board


@router.get(
    "/metadata",
    summary="What the workspace is doing right now",
    responses={200: {"model": MetadataAnswer}, **_NOT_MODIFIED},
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
)
async def get_metadata(request: Request, query: Annotated[MetadataQuery, Query()]) -> Response:
    """All keys of the collectors that apply here, null where there is no value; and how it stands with each collector.

    What is on this machine is read at each request; what is asked of others is from the last time, and
    `age_seconds` says how old. The `ETag` is of `data` alone.
    """
    _require_single(request)
    answer = await _board(request).read(query.selection())
    return _answered(request, answer.body, answer.etag, "application/json")


@router.get(
    "/metadata/{key:path}",
    summary="One thing about the workspace",
    responses={
        200: {"model": Entry, "content": {"text/plain": {"schema": {"type": "string"}}}},
        **_NOT_MODIFIED,
    },
    openapi_extra={"parameters": [_IF_NONE_MATCH, _header("Accept", "`text/plain` is `format=text`")]},
)
async def get_key(request: Request, key: Key, query: Annotated[KeyQuery, Query()]) -> Response:
    """One entry; as text its bare value: one line of at most 2,048 bytes, empty for null.

    404 for a key that there is not, or that does not apply here; 503 when its collector failed.
    """
    _require_single(request)
    board = _board(request)
    answer = await board.read(Selection(names=frozenset({key})))
    if key not in answer.entries:
        raise _problem(why_untold(board, answer, key))
    accept = request.headers.getlist("accept")
    vary = {"Vary": "Accept"}
    if query.format == "text" or (query.format is None and prefers_text(accept)):
        text = as_text(answer.values[key]).encode()
        return _answered(request, text, etag_of(text), "text/plain", vary)
    return _answered(request, answer.entries[key], etag_of(answer.entries[key]), "application/json", vary)


def _require_single(request: Request) -> None:
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if times > 1:
            fault = {
                "loc": ("query", name),
                "type": "repeated",
                "msg": "The parameter stands here more than once",
            }
            raise RequestValidationError([fault])


def _answered(
    request: Request, body: bytes, etag: str, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache", **(headers or {})}
    known: Sequence[str] = request.headers.getlist("if-none-match")
    if known and is_known(etag, known):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _problem(reason: NoSuchKey | NotTold) -> Problem:
    if isinstance(reason, NoSuchKey):
        return Problem(404, "No such key", str(reason), slug="no-such-key")
    return Problem(503, "Not known now", str(reason), slug="collector-failed", headers={"Retry-After": "5"})
