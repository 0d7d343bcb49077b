import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"

_TEXT: dict[str, Any] = {"type": "string"}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "correlation_id"],
    "properties": {
        "type": {**_TEXT, "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "correlation_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "reason"],
                "properties": {"path": _TEXT, "reason": _TEXT},
            },
        },
    },
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    kind: {"description": description, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
    for kind, description in (("4XX", "What is wrong, where and why"), ("5XX", "What is away, or broke"))
}
"""For the `responses` of a FastAPI app, so that its OpenAPI tells of problems."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a payload: where (a JSON pointer into body, query, path or header) and why."""

    path: str
    reason: str


class Problem(Exception):
    """An error answer as RFC 9457 describes it; raise it in a route, or send it from a middleware.

    `slug` names the kind of problem for programs and becomes its `type`, a URN. `detail` says what to do
    next. `headers` go onto the answer, `Retry-After` for one.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        slug: str,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.slug = slug
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self, scope: Scope) -> Response:
        """The answer to the request of `scope`, whose `state["request_id"]` becomes the correlation id."""
        body: dict[str, Any] = {
            "type": f"urn:fleet:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": _path_of(scope),
            "correlation_id": scope.get("state", {}).get("request_id"),
        }
        if self.errors:
            body["errors"] = [asdict(fault) for fault in self.errors]
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        # What a client sent may hold lone surrogates, which no encoding of ours can carry.
        content = text.encode(errors="backslashreplace")
        return Response(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def _path_of(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("ascii", "replace") if raw else scope.get("path", "")
