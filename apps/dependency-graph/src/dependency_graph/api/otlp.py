"""Bodies of OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

import zlib
from gzip import BadGzipFile, GzipFile
from io import BytesIO
from typing import NamedTuple

from fastapi import Request
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect

from dependency_graph.api.body_limit import LARGEST_BODY, ContentTooLarge
from dependency_graph.api.media_type import JSON, PROTOBUF, media_type, unsupported_media_type
from dependency_graph.api.span_told import NotDecodable
from problem_details import Problem


class Body(NamedTuple):
    content: bytes
    media_type: str
    """PROTOBUF or JSON."""
    is_gzip: bool

    def inflated(self) -> bytes:
        """The content as it was before compression, within the limit of all bodies.

        Raises NotDecodable, or ContentTooLarge as soon as that is known.
        """
        if not self.is_gzip:
            return self.content
        try:
            with GzipFile(fileobj=BytesIO(self.content)) as file:
                content = file.read(LARGEST_BODY + 1)
        except (BadGzipFile, EOFError, zlib.error):
            raise NotDecodable("The body is not whole, or not compressed with gzip.") from None
        if len(content) > LARGEST_BODY:
            raise ContentTooLarge
        return content


async def receive(request: Request) -> Body:
    """The body of an export; raises Problem where it is of a kind that we do not read, or is cut off."""
    media_type, is_gzip = _media_type(request), _is_gzip(request)
    try:
        return Body(await request.body(), media_type, is_gzip)
    except ClientDisconnect:
        raise NotDecodable("The body is not whole.") from None


def encode(rejected: int, why: str, media_type: str) -> bytes:
    """An ExportTraceServiceResponse; it tells of a partial success only where spans were rejected."""
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = why
    if media_type == JSON:
        return MessageToJson(response, indent=None).encode()
    return response.SerializeToString()


def _media_type(request: Request) -> str:
    told = media_type(request.scope)
    if told not in (PROTOBUF, JSON):
        raise unsupported_media_type(PROTOBUF, JSON)
    return told


def _is_gzip(request: Request) -> bool:
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip"):
        detail = "Send the body compressed with gzip, or not compressed; other codings are not read."
        accepted = {"Accept-Encoding": "gzip"}
        raise Problem(415, "Unsupported coding", detail, slug="unsupported-media-type", headers=accepted)
    return coding == "gzip"
