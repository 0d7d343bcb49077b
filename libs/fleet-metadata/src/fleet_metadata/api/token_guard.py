import hmac
from base64 import b64decode
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from problem_details import Problem

OPEN_PATHS = frozenset({"/health", "/livez"})
_POLICY_VIOLATION = 1008


class TokenGuard:
    """Lets nobody past without the token, but to the paths that are open to all.

    It is sent as `Authorization: Bearer <token>` or `X-API-Key`, as to the other services; or as the password of
    `Basic`, which is how a browser asks for it before it shows Swagger UI.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS or self._admits(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _refusal().response(scope)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _admits(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        return any(hmac.compare_digest(credential, self._token) for credential in _credentials(headers))


def _credentials(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization":
            kind, _, credential = value.strip().partition(b" ")
            if kind.lower() == b"bearer":
                yield credential.strip()
            elif kind.lower() == b"basic":
                yield _password(credential.strip())


def _password(credential: bytes) -> bytes:
    try:
        return b64decode(credential, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _refusal() -> Problem:
    detail = "Send the token that the server was started with, FLEET_METADATA_TOKEN: Authorization: Bearer <token>."
    # Browsers look at the first one only.
    challenge = {"WWW-Authenticate": 'Basic realm="fleet-metadata", Bearer realm="fleet-metadata"'}
    return Problem(401, "Token missing or wrong", detail, slug="token-missing-or-wrong", headers=challenge)
