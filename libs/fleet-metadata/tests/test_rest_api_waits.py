"""What is asked of a server that wants to be left in peace for a while."""

import httpx
import pytest
import respx
from forge_api import NUMBERS, api_at
from forge_workspace import Clock
from small_server import Told, small_server

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.api_server import Refused


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@respx.mock
async def test_a_short_wait_is_waited_and_the_question_repeated() -> None:
    clock = Clock()
    refusal = httpx.Response(429, headers={"Retry-After": "5"})
    route = respx.get("https://forge.test/").mock(
        side_effect=[refusal, refusal, httpx.Response(200, json=[1])]
    )
    async with api_at("https://forge.test", clock=clock, sleep=clock.sleep) as api:
        assert await (await api.get("/")).read(NUMBERS) == [1]
    assert (clock.slept, route.call_count) == ([5, 5], 3)


@respx.mock
async def test_three_refusals_are_enough() -> None:
    clock = Clock()
    route = respx.get("https://forge.test/").mock(
        return_value=httpx.Response(429, headers={"Retry-After": "2"})
    )
    async with api_at("https://forge.test", clock=clock, sleep=clock.sleep) as api:
        with pytest.raises(CollectionFailed, match="rate limited until") as failed:
            await api.get("/")
        assert (failed.value.retry_in, clock.slept, route.call_count) == (2, [2, 2], 3)
        with pytest.raises(CollectionFailed, match="rate limited until"):
            await api.get("/")
        assert route.call_count == 3


@respx.mock
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "6"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(Clock().now + 6)},
        {"RateLimit-Reset": str(Clock().now + 6)},
    ],
)
async def test_a_long_wait_is_told_at_once_and_nobody_asks_before_its_end(headers: dict[str, str]) -> None:
    clock = Clock()
    route = respx.get("https://forge.test/").mock(
        side_effect=[httpx.Response(403, headers=headers), httpx.Response(200, json=[1])]
    )
    async with api_at("https://forge.test", clock=clock, sleep=clock.sleep) as api:
        for passed, left in ((0, 6), (5, 1)):
            clock.now += passed
            with pytest.raises(CollectionFailed) as failed:
                await api.get("/")
            assert str(failed.value) == "rate limited until 2026-11-18T11:06:46Z"
            assert failed.value.retry_in == left
        assert (clock.slept, route.call_count) == ([], 1)
        clock.now += 1
        assert await (await api.get("/")).read(NUMBERS) == [1]


@respx.mock
async def test_refusals_in_a_row_that_ask_for_no_wait_wait_ever_longer() -> None:
    clock = Clock()
    secondary = httpx.Response(
        403,
        json={"message": "You have exceeded a secondary rate limit"},
        headers={"X-RateLimit-Remaining": "9"},
    )
    respx.get("https://forge.test/").mock(
        side_effect=[secondary, secondary, httpx.Response(200, json=[1]), secondary]
    )
    waits: list[float | None] = []
    async with api_at("https://forge.test", clock=clock, sleep=clock.sleep) as api:
        for _ in range(4):
            try:
                await api.get("/")
            except CollectionFailed as failed:
                waits.append(failed.retry_in)
                clock.now += failed.retry_in or 0
    assert waits == [60, 120, 60]


async def test_a_403_that_leaves_requests_is_no_reason_to_wait() -> None:
    clock = Clock()
    with small_server(lambda asked: Told(b"", 403, {"X-RateLimit-Remaining": "1"})) as server:
        async with api_at(server.url, clock=clock, sleep=clock.sleep) as api:
            for _ in range(2):
                with pytest.raises(Refused, match="no permission"):
                    await api.get("/")
    assert (len(server.asked), clock.slept) == (2, [])
