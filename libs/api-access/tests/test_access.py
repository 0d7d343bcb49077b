"""Routes of which only the body tells what they need."""

from collections.abc import AsyncGenerator
from unittest.mock import Mock

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api_access.access import Access
from api_access.authenticator import Authenticator
from api_access.key_store import KeyStore
from api_access.memory_buckets import MemoryBuckets
from api_access.middleware import AccessMiddleware
from api_access.rate_limits import RateLimit
from api_access.refusals import Refusal
from api_access.requirement import KEY_ONLY, Requirement


async def as_told(scope: Scope, receive: Receive, send: Send) -> None:
    """Asks for the scope and of the limit class that the body names, and answers a refusal with 200."""
    request = Request(scope, receive)
    access: Access = request.state.access
    text = f"hello {access.principal.name}"
    if needs := (await request.body()).decode():
        try:
            await access.require(Requirement(*needs.split()))
        except Refusal as refusal:
            text = refusal.detail
    await PlainTextResponse(text)(scope, receive, send)


@pytest.fixture
async def client(store: KeyStore) -> AsyncGenerator[httpx.AsyncClient]:
    # A clock that stands still: no token comes back during a test.
    buckets = MemoryBuckets(clock=Mock(return_value=0.0))
    authenticator = Authenticator(store, buckets)
    app = AccessMiddleware(
        as_told,
        authenticator=authenticator,
        buckets=buckets,
        policy=lambda _method, _path: KEY_ONLY,
        default_limits={"query": RateLimit(2, 60), "ingestion": RateLimit(1, 60)},
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fleet") as client:
        token, _ = await store.create("agent", ["read"])
        client.headers["X-API-Key"] = token
        yield client
    await authenticator.stop()


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("access_refusals_total", {"reason": reason}) or 0.0


async def test_a_key_is_needed_and_is_enough(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        answer = await client.post("/mcp")
        assert (answer.status_code, answer.text) == (200, "hello agent")
        assert "ratelimit" not in answer.headers
    assert (await client.post("/mcp", headers={"X-API-Key": "wrong"})).status_code == 401


async def test_what_the_route_requires_is_taken_and_told(client: httpx.AsyncClient) -> None:
    before = refusals("limited")
    answers = [await client.post("/mcp", content="read query") for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert [answer.text for answer in answers[:2]] == ["hello agent"] * 2
    assert answers[2].text == "The limit for query requests with this key is 2/min. Try again in 30 s."
    assert answers[2].headers["retry-after"] == "30"
    assert refusals("limited") - before == 1


async def test_a_missing_scope_is_refused_after_the_limit(client: httpx.AsyncClient) -> None:
    before = refusals("scope")
    texts = [(await client.post("/mcp", content="write ingestion")).text for _ in range(2)]
    assert texts[0] == "This needs an API key with the scope 'write'."
    assert "1/min" in texts[1]
    assert refusals("scope") - before == 1
