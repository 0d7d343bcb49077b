from typing import ClassVar

from api_access.rate_limits import Decision
from problem_details import Problem

_REALM = 'Bearer realm="fleet"'


class Refusal(Problem):
    """A request that access control turns away; `reason` is its label in `access_refusals_total`."""

    reason: ClassVar[str]


class MissingKey(Refusal):
    """401: no credential came along."""

    reason = "missing"

    def __init__(self) -> None:
        super().__init__(
            401,
            "API key needed",
            "Send an API key as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'.",
            slug="api-key-missing",
            headers={"WWW-Authenticate": _REALM},
        )


class InvalidKey(Refusal):
    """401: unknown, mistyped, expired or revoked; the answer does not say which."""

    reason = "invalid"

    def __init__(
        self, detail: str = "The API key is not valid. It may be mistyped, expired or revoked."
    ) -> None:
        super().__init__(
            401,
            "API key not valid",
            detail,
            slug="api-key-invalid",
            headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
        )


class TooManyFailures(Refusal):
    """429: the address has sent too many keys that were wrong."""

    reason = "failures_limited"

    def __init__(self, decision: Decision) -> None:
        wait = str(decision.retry_after_seconds)
        super().__init__(
            429,
            "Too many failed attempts",
            f"This address sent too many API keys that are not valid. Try again in {wait} s.",
            slug="too-many-failed-attempts",
            headers={"Retry-After": wait},
        )


class KeysUnavailable(Refusal):
    """503: the database cannot be asked, so nobody is let in."""

    reason = "unavailable"

    def __init__(self) -> None:
        super().__init__(
            503,
            "API keys cannot be checked",
            "The database of API keys does not answer. Try again soon.",
            slug="api-keys-unavailable",
            headers={"Retry-After": "2"},
        )


class LimitExceeded(Refusal):
    """429: the key's bucket is empty. The headers of the decision, `Retry-After` too, go on every answer."""

    reason = "limited"

    def __init__(self, limit_class: str, decision: Decision) -> None:
        super().__init__(
            429,
            "Rate limit exceeded",
            f"The limit for {limit_class} requests with this key is {decision.limit}. "
            f"Try again in {decision.retry_after_seconds} s.",
            slug="rate-limit-exceeded",
        )


class ScopeMissing(Refusal):
    """403: the key is good, but not for this."""

    reason = "scope"

    def __init__(self, scope: str) -> None:
        super().__init__(
            403, "Scope missing", f"This needs an API key with the scope {scope!r}.", slug="scope-missing"
        )
