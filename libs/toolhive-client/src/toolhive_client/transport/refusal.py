"""What ToolHive says when it does not give what was asked for."""

import re

from pydantic import BaseModel, ValidationError

from toolhive_client.errors import RegistryUnavailable, ToolhiveUnavailable
from toolhive_client.reading.json_document import document_in
from toolhive_client.reading.unreadable import Strange
from toolhive_client.transport.transport import Answer, is_server_error

AUTH_REQUIRED, LEGACY_FORMAT = "registry_auth_required", "registry_legacy_format"

_LOWEST_REFUSAL = 400
_CREDENTIALS = "it wants credentials, and has to be reachable without"
_ADVICE = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: "check that TOOLHIVE_URL is its address, with the path that it is served below",
}
_ADVICE_BY_CODE = {
    AUTH_REQUIRED: "log in with `thv registry login`, as the user that ToolHive runs as",
    LEGACY_FORMAT: "convert its registry with `thv registry convert`, or go back to the built-in one with "
    "`thv config unset-registry`",
    "registry_unavailable": "ToolHive does not reach its registry; check `thv config get-registry`, and its network",
}


_CODE_IN_TEXT = re.compile(rf"\b(?:{'|'.join(_ADVICE_BY_CODE)})\b".encode())


class _Told(BaseModel):
    code: str


def code_of(answer: Answer) -> str | None:
    """The machine-readable reason of a refusal, if it has one; plain text may have one of those that are known."""
    if answer.status < _LOWEST_REFUSAL:
        return None
    try:
        code = _Told.model_validate(document_in(answer.body)).code
    except Strange:
        known = _CODE_IN_TEXT.search(answer.body)
        return known[0].decode() if known else None
    except ValidationError:
        return None
    return code if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", code) else None


def may_pass(answer: Answer) -> bool:
    """Whether asking again may help; it does not as long as nobody logs in, or converts the registry."""
    return is_server_error(answer) and code_of(answer) not in {AUTH_REQUIRED, LEGACY_FORMAT}


def refused(answer: Answer) -> ToolhiveUnavailable:
    return ToolhiveUnavailable(
        f"ToolHive answered {answer.status}; {_ADVICE.get(answer.status, 'look at its log')}."
    )


def registry_refused(answer: Answer) -> RegistryUnavailable:
    code = code_of(answer)
    advice = _ADVICE_BY_CODE.get(code or "", _ADVICE.get(answer.status, "look at its log"))
    named = f" ({code})" if code else ""
    return RegistryUnavailable(
        f"ToolHive does not give its registry: {answer.status}{named}; {advice}.", code
    )
