import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_access.authenticator import Authenticator
from api_access.key_store import KeyStore
from api_access.keys import new_token
from api_access.memory_buckets import MemoryBuckets
from api_access.middleware import AccessMiddleware
from api_access.rate_limits import RateLimit
from api_access.requirement import Requirement

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]}
RATE_LIMIT_HEADERS = {"ratelimit", "ratelimit-policy"} | {
    f"x-ratelimit-{what}" for what in ("limit", "remaining", "reset")
}


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the name of who is asking; sends the same start message every time."""
    if scope["type"] == "http":
        principal = scope.get("state", {}).get("principal")
        await send(START)
        await send(
            {"type": "http.response.body", "body": principal.name.encode() if principal else b"anybody"}
        )


def policy(method: str, path: str) -> Requirement | None:
    if path == "/livez":
        return None
    if path == "/sync":
        return Requirement("admin", "query")
    return Requirement("read", "query") if method == "GET" else Requirement("write", "ingestion")


@pytest.fixture
async def app(store: KeyStore) -> AsyncGenerator[ASGIApp]:
    # A clock that stands still: no token comes back during a test.
    buckets = MemoryBuckets(clock=Mock(return_value=0.0))
    authenticator = Authenticator(store, buckets)
    yield AccessMiddleware(
        greet,
        authenticator=authenticator,
        buckets=buckets,
        policy=policy,
        default_limits={"query": RateLimit(60, 60), "ingestion": RateLimit(2, 60)},
    )
    await authenticator.stop()


@pytest.fixture
async def client(app: ASGIApp) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fleet") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("access_refusals_total", {"reason": reason}) or 0.0


async def test_a_line_break_behind_a_path_opens_no_route(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez%0A")).status_code == 200
    assert (await client.get("/services%0A")).status_code == 401
    assert (await client.post("/sync%0A")).status_code == 401


async def test_an_open_route_is_left_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez", headers=bearer("wrong"))
    assert (answer.status_code, answer.text) == (200, "anybody")
    assert not RATE_LIMIT_HEADERS & set(answer.headers)


async def test_without_a_key_the_answer_is_401_and_counts_as_no_failure(client: httpx.AsyncClient) -> None:
    before = refusals("missing")
    answers = [await client.get("/services") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {401}
    answer = answers[0]
    assert answer.headers["www-authenticate"] == 'Bearer realm="fleet"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("api-key-missing")
    assert refusals("missing") - before == 30


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic eDp5"},
        {"X-API-Key": " "},
    ],
)
async def test_an_empty_or_foreign_credential_is_a_missing_one(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get("/services", headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (401, "API key needed")


@pytest.mark.parametrize("sent", [b"wrong", b"fleet_\0\0", b"\xff\xfe", "fleet_é".encode(), b"x" * 5000])
async def test_a_wrong_key_is_401_with_the_error_named(client: httpx.AsyncClient, sent: bytes) -> None:
    before = refusals("invalid")
    for headers in ({b"X-API-Key": sent}, {b"Authorization": b"Bearer " + sent}):
        answer = await client.get("/services", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="fleet", error="invalid_token"'
    assert refusals("invalid") - before == 2


async def test_a_key_is_taken_from_either_header_and_never_echoed(
    store: KeyStore, client: httpx.AsyncClient
) -> None:
    token, _ = await store.create("plugin")
    for headers in (
        bearer(token),
        {"authorization": f"bearer   {token} "},
        {"X-API-Key": token},
        bearer(token) | {"X-API-Key": token},
        {"Authorization": "Basic eDp5", "X-API-Key": token},
    ):
        answer = await client.get("/services", headers=headers)
        assert (answer.status_code, answer.text) == (200, "plugin")
        assert token not in str(answer.headers)


async def test_two_keys_that_differ_are_refused(store: KeyStore, client: httpx.AsyncClient) -> None:
    token, _ = await store.create("plugin")
    for headers in (
        [("Authorization", f"Bearer {token}"), ("X-API-Key", new_token()[1])],
        [("X-API-Key", token), ("X-API-Key", new_token()[1])],
    ):
        answer = await client.get("/services", headers=headers)
        assert answer.status_code == 401
        assert "differ" in answer.json()["detail"]


async def test_every_answer_says_where_the_client_stands(store: KeyStore, client: httpx.AsyncClient) -> None:
    token, _ = await store.create("plugin")
    for left in (59, 58):
        answer = await client.get("/services", headers=bearer(token))
        assert answer.headers["ratelimit"] == f'"query";r={left};t={60 - left}'
        assert answer.headers["ratelimit-policy"] == '"query";q=60;w=60'
        assert answer.headers["x-ratelimit-limit"] == "60"
        assert answer.headers["x-ratelimit-remaining"] == str(left)
        assert answer.headers["x-ratelimit-reset"] == str(60 - left)
        assert "retry-after" not in answer.headers
        assert answer.headers["x-own"] == "1"


async def test_over_the_limit_the_answer_is_429_until_a_token_is_back(
    store: KeyStore, client: httpx.AsyncClient
) -> None:
    token, _ = await store.create("writer", ["write"])
    before = refusals("limited")
    answers = [await client.post("/services", headers=bearer(token)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "30"
    assert answers[2].headers["ratelimit"] == '"ingestion";r=0;t=60'
    assert "2/min" in answers[2].json()["detail"]
    assert refusals("limited") - before == 1


async def test_limits_are_counted_per_key_and_class(store: KeyStore, client: httpx.AsyncClient) -> None:
    first, second = [(await store.create("writer", ["read", "write"]))[0] for _ in range(2)]
    for _ in range(2):
        await client.post("/services", headers=bearer(first))
    assert (await client.get("/services", headers=bearer(first))).status_code == 200
    assert (await client.post("/services", headers=bearer(second))).status_code == 200
    assert (await client.post("/services", headers=bearer(first))).status_code == 429


async def test_a_limit_of_the_keys_own_replaces_the_default(
    store: KeyStore, client: httpx.AsyncClient
) -> None:
    token, _ = await store.create("plugin", limits={"query": RateLimit(600, 60)})
    answer = await client.get("/services", headers=bearer(token))
    assert answer.headers["x-ratelimit-remaining"] == "599"


async def test_a_missing_scope_is_403_after_the_limit(store: KeyStore, client: httpx.AsyncClient) -> None:
    token, _ = await store.create("reader", ["read"])
    before = refusals("scope")
    answers = [await client.post("/services", headers=bearer(token)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert "'write'" in answers[0].json()["detail"]
    assert set(answers[0].headers) >= RATE_LIMIT_HEADERS
    assert refusals("scope") - before == 2


async def test_admin_may_do_everything_and_nobody_else_what_is_for_admin(
    store: KeyStore, client: httpx.AsyncClient
) -> None:
    admin, _ = await store.create("boss", ["admin"])
    other, _ = await store.create("worker", ["read", "write"])
    assert (await client.post("/services", headers=bearer(admin))).status_code == 200
    assert (await client.get("/sync", headers=bearer(admin))).status_code == 200
    assert (await client.get("/sync", headers=bearer(other))).status_code == 403


async def test_guesses_are_limited_per_address_and_counted(
    store: KeyStore, client: httpx.AsyncClient
) -> None:
    token, _ = await store.create("plugin")
    assert (await client.get("/services", headers=bearer(token))).status_code == 200
    before = refusals("failures_limited")
    statuses = [(await client.get("/services", headers=bearer("wrong"))).status_code for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert refusals("failures_limited") - before == 5
    assert (await client.get("/services", headers=bearer(token))).status_code == 200


async def test_the_correlation_id_is_in_a_refusal(app: ASGIApp) -> None:
    sent = await sent_by(app, http_scope([], state={"request_id": "r-1"}))
    assert b'"correlation_id":"r-1"' in sent[1]["body"]


async def test_a_request_without_a_client_address_is_checked_as_well(app: ASGIApp) -> None:
    sent = await sent_by(app, http_scope([(b"x-api-key", b"wrong")], client=None))
    assert b"api-key-invalid" in sent[1]["body"]


async def test_a_websocket_passes_only_where_the_route_is_open(app: ASGIApp) -> None:
    closed = {"type": "websocket.close", "code": 1008}
    assert await sent_by(app, {"type": "websocket", "path": "/ws", "headers": []}) == [closed]
    for passes in ({"type": "websocket", "path": "/livez", "headers": []}, {"type": "lifespan"}):
        assert await sent_by(app, passes) == []


def http_scope(headers: list[tuple[bytes, bytes]], **more: Any) -> Scope:
    return {"type": "http", "method": "GET", "path": "/services", "headers": headers} | more


async def sent_by(app: ASGIApp, scope: Scope) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(dict(message))

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    await app(scope, receive, send)
    return sent
