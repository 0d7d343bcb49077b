from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_access.api_key import Principal
from api_access.authenticator import Authenticator
from api_access.metrics import REFUSALS
from api_access.rate_limits import RateLimit, TokenBuckets
from api_access.refusals import InvalidKey, LimitExceeded, MissingKey, Refusal, ScopeMissing

_POLICY_VIOLATION = 1008


class Requirement(NamedTuple):
    """What a route asks of a request: a scope, and a token of the bucket of a limit class."""

    scope: str
    limit_class: str


class AccessMiddleware:
    """Lets a request through that carries a good key, is within its limit, and has the scope it needs.

    `policy` gets the method and the decoded path, and answers None for a route that is open to all; a
    WebSocket is let through only there. `default_limits` holds every limit class that `policy` names. Behind
    it, `scope["state"]["principal"]` says who is asking.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        buckets: TokenBuckets,
        policy: Callable[[str, str], Requirement | None],
        default_limits: Mapping[str, RateLimit],
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._buckets = buckets
        self._policy = policy
        self._default_limits = default_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        requirement = self._policy(scope.get("method", "GET"), scope["path"])
        if requirement is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guard(requirement, scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _guard(self, requirement: Requirement, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = await self._principal(scope)
            limit_class = requirement.limit_class
            limit = principal.limits.get(limit_class) or self._default_limits[limit_class]
            decision = await self._buckets.take(f"{limit_class}:{principal.key_id}", limit)
            # From here on, every answer tells the client where it stands.
            send = _with_headers(send, decision.headers(limit_class))
            if not decision.allowed:
                raise LimitExceeded(limit_class, decision)
            if requirement.scope not in principal.scopes:
                raise ScopeMissing(requirement.scope)
        except Refusal as refusal:
            REFUSALS.labels(refusal.reason).inc()
            await refusal.response(scope)(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        token = _credential(scope["headers"])
        if principal := self._authenticator.remembered(token):
            return principal
        address = scope["client"][0] if scope.get("client") else ""
        return await self._authenticator.authenticate(token, address)


def _credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    token = b""
    for name, value in headers:
        if name == b"x-api-key":
            sent = value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            sent = value[7:].strip()
        else:
            continue
        if token and sent != token:
            raise InvalidKey("The request carries two API keys that differ. Send one.")
        token = sent
    if not token:
        raise MissingKey
    return token.decode("latin-1")


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            # A new message: an app may send the same one for ever.
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return send_with_headers
