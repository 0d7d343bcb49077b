from collections.abc import Mapping

from starlette.types import Message, Send

from api_access.api_key import Principal
from api_access.metrics import REFUSALS
from api_access.rate_limits import Decision, RateLimit, TokenBuckets
from api_access.refusals import LimitExceeded, Refusal, ScopeMissing
from api_access.requirement import Requirement


class Access:
    """What the key of one request is good for.

    It is in `scope["state"]["access"]` behind `AccessMiddleware`. A route of which only the body tells what it
    needs has the policy answer `KEY_ONLY`, and calls `require` itself.
    """

    __slots__ = ("_buckets", "_default_limits", "_headers", "principal")

    def __init__(
        self, principal: Principal, buckets: TokenBuckets, default_limits: Mapping[str, RateLimit]
    ) -> None:
        self.principal = principal
        self._buckets = buckets
        self._default_limits = default_limits
        self._headers: list[tuple[bytes, bytes]] = []

    async def require(self, requirement: Requirement) -> Decision:
        """Take a token of the limit class, then look for the scope; the answer's headers tell of that bucket.

        Raises `LimitExceeded` or `ScopeMissing`, and counts it. They are problems, ready to be sent where
        the answer has not begun.
        """
        try:
            return await self.check(requirement)
        except Refusal as refusal:
            REFUSALS.labels(refusal.reason).inc()
            raise

    async def check(self, requirement: Requirement) -> Decision:
        """As `require`, for a caller who counts refusals."""
        limit_class = requirement.limit_class
        limit = self.principal.limits.get(limit_class) or self._default_limits[limit_class]
        decision = await self._buckets.take(f"{limit_class}:{self.principal.key_id}", limit)
        self._headers = decision.headers(limit_class)
        if not decision.allowed:
            raise LimitExceeded(limit_class, decision)
        if requirement.scope not in self.principal.scopes:
            raise ScopeMissing(requirement.scope)
        return decision

    def telling(self, send: Send) -> Send:
        """`send`, with headers on the answer that tell the client where it stands."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and self._headers:
                # A new message: an app may send the same one for ever.
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            await send(message)

        return send_with_headers
