from starlette.datastructures import Headers
from starlette.types import Scope

from problem_details import Problem

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROTOBUF = "application/x-protobuf"


def media_type(scope: Scope) -> str:
    """The media type of a request's body, in lower case; empty where it says a charset other than UTF-8."""
    told, *parameters = Headers(scope=scope).get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            return ""
    return told.strip()


def unsupported_media_type(*supported: str) -> Problem:
    """415, for a body that is not one of `supported`."""
    detail = f"Send the body in UTF-8, with 'Content-Type: {' or '.join(supported)}'."
    return Problem(415, "Unsupported media type", detail, slug="unsupported-media-type")


def require_no_coding(scope: Scope) -> None:
    """Raises Problem 415 for a compressed body."""
    if Headers(scope=scope).get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        detail = "Send the body as it is, without Content-Encoding."
        plain = {"Accept-Encoding": "identity"}
        raise Problem(415, "Unsupported coding", detail, slug="unsupported-media-type", headers=plain)
