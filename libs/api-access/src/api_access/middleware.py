from collections.abc import Callable, Iterable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from api_access.access import Access
from api_access.api_key import Principal
from api_access.authenticator import Authenticator
from api_access.metrics import REFUSALS
from api_access.rate_limits import RateLimit, TokenBuckets
from api_access.refusals import InvalidKey, MissingKey, Refusal
from api_access.requirement import KeyOnly, Requirement

_POLICY_VIOLATION = 1008


class AccessMiddleware:
    """Lets a request through that carries a good key, is within its limit, and has the scope it needs.

    `policy` gets the method and the decoded path, and answers None for a route that is open to all; a
    WebSocket is let through only there. With `KEY_ONLY` the route itself asks for more, of the `Access` in
    `scope["state"]["access"]`. `default_limits` holds every limit class that is asked for. Behind it,
    `scope["state"]["principal"]` says who is asking.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        buckets: TokenBuckets,
        policy: Callable[[str, str], Requirement | KeyOnly | None],
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
        # A route matches a path with a line break behind it too, so a policy must not tell them apart.
        requirement = self._policy(scope.get("method", "GET"), scope["path"].removesuffix("\n"))
        if requirement is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guard(requirement, scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _guard(
        self, requirement: Requirement | KeyOnly, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            access = Access(await self._principal(scope), self._buckets, self._default_limits)
            # From here on, every answer tells the client where it stands.
            send = access.telling(send)
            if isinstance(requirement, Requirement):
                await access.check(requirement)
        except Refusal as refusal:
            REFUSALS.labels(refusal.reason).inc()
            await refusal.response(scope)(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["principal"], state["access"] = access.principal, access
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
