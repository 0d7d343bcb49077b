"""Agents that are read all at once: what is asked of them, and what is remembered."""

from typing import Any

import pytest
from agent_servers import Asked, agent, document, told
from read_agents import GOOD, TOKEN, VALUES, readable, until

from fleet_metadata.client import FleetClient, Kind, Unreadable


async def test_an_agent_tells_values_schemas_and_how_its_collectors_are(client: FleetClient) -> None:
    async with agent(told(GOOD)) as well:
        metadata = await readable(client, well.url)
    assert metadata.values == VALUES
    assert metadata.data["git_branch"].schema["includeInList"] is True
    assert metadata.meta["version"] == "1.0"
    assert [(state.name, state.status, state.duration_ms) for state in metadata.collectors] == [
        ("git", "ok", 6.1)
    ]
    assert metadata.document == GOOD
    assert not metadata.unchanged


async def test_results_come_in_the_order_in_which_agents_were_named(
    client: FleetClient, dead_url: str
) -> None:
    async with agent(told(GOOD)) as well, agent(told(b"", 404)) as lost:
        agents = {"z": well.url, "a": dead_url, "m": lost.url, "b": well.url}
        results = await client.read(agents)
    assert list(results) == ["z", "a", "m", "b"]
    kinds = [result.kind for result in results.values() if isinstance(result, Unreadable)]
    assert kinds == [Kind.REFUSED, Kind.NOT_FOUND]
    assert await client.read({}) == {}


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({}, "/metadata"),
        ({"prefix": "git_"}, "/metadata?prefix=git_"),
        ({"prefix": "a&b=c"}, "/metadata?prefix=a%26b%3Dc"),
        ({"keys": ["git_branch", "git_status"]}, "/metadata?keys=git_branch%2Cgit_status"),
        ({"keys": []}, "/metadata?keys="),
        ({"list_only": True}, "/metadata?list=true"),
        ({"prefix": "git_", "list_only": True}, "/metadata?prefix=git_&list=true"),
    ],
)
async def test_what_is_wanted_is_passed_on(client: FleetClient, query: dict[str, Any], target: str) -> None:
    async with agent(told(GOOD)) as well:
        await readable(client, well.url, **query)
    [asked] = well.asked
    assert asked.target == target
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("path", ["/", "/agents/one", "/agents/one/", "/a%2Fb", "/caf%C3%A9"])
async def test_a_server_may_be_below_a_path(client: FleetClient, path: str) -> None:
    async with agent(told(GOOD)) as well:
        await readable(client, f" {well.url}{path} ")
    assert well.asked[0].target == f"{path.rstrip('/')}/metadata"


async def test_without_a_token_none_is_sent() -> None:
    for token in (None, ""):
        async with FleetClient(token, timeout=30) as client, agent(told(GOOD)) as well:
            await readable(client, well.url)
        assert "authorization" not in well.asked[0].headers


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"data": {}}, {}),
        ({"data": {}, "meta": [], "more": 1}, {}),
        ({"data": {"a": {"value": 1}, "b": {"schema": {}}, "c": 3, "d": None, "e": []}}, {"a": 1}),
        (
            {"data": {"a": {"value": None, "schema": "text", "unit": "s"}}, "meta": {"collectors": {}}},
            {"a": None},
        ),
        ({"data": {}, "meta": {"collectors": [1, None, {}, {"name": 3}, {"status": "ok"}]}}, {}),
    ],
)
async def test_unknown_and_missing_fields_are_passed_by(
    client: FleetClient, given: dict[str, Any], values: dict[str, Any]
) -> None:
    async with agent(told(given)) as foreign:
        metadata = await readable(client, foreign.url)
    assert metadata.values == values
    assert metadata.collectors == []
    assert all(entry.schema == {} for entry in metadata.data.values())


def _with_etag(etag: str) -> Any:
    def answer(asked: Asked) -> bytes:
        if asked.headers.get("if-none-match") == etag:
            return told(b"", 304, etag=etag)
        return told(GOOD, etag=etag)

    return answer


@pytest.mark.parametrize("etag", ['"abc"', 'W/"abc"', '""'])
async def test_what_has_not_changed_is_not_sent_again(client: FleetClient, etag: str) -> None:
    async with agent(_with_etag(etag)) as steady:
        first = await readable(client, steady.url)
        again = await readable(client, steady.url)
        other = await readable(client, steady.url, prefix="git_")
    assert [asked.headers.get("if-none-match") for asked in steady.asked] == [None, etag, None]
    assert (first.unchanged, again.unchanged, other.unchanged) == (False, True, False)
    assert again.document == first.document == GOOD
    # Nobody shares what was remembered.
    first.meta["collectors"].clear()
    assert again.collectors


async def test_no_connection_is_kept(client: FleetClient) -> None:
    async with agent(told(GOOD)) as well:
        for _ in range(3):
            await readable(client, well.url)
            await until(lambda: well.open == 0)


async def test_what_has_changed_is_told_and_remembered_anew(client: FleetClient) -> None:
    answers = [told(document(a=number), etag=f'"{number}"') for number in range(3)]
    async with agent(lambda asked: answers[len(changing.asked) - 1]) as changing:
        values = [(await readable(client, changing.url)).values for _ in answers]
    assert values == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert [asked.headers.get("if-none-match") for asked in changing.asked] == [None, '"0"', '"1"']


@pytest.mark.parametrize("etag", ["abc", '"a b"', '"é"', f'"{"a" * 300}"', '"a", "b"'])
async def test_an_etag_that_cannot_be_asked_by_is_not(client: FleetClient, etag: str) -> None:
    async with agent(_with_etag(etag)) as odd:
        for _ in range(2):
            assert not (await readable(client, odd.url)).unchanged


async def test_what_is_too_old_is_asked_for_anew() -> None:
    async with agent(_with_etag('"abc"')) as steady, FleetClient(timeout=30, remember_seconds=0) as client:
        for _ in range(2):
            assert not (await readable(client, steady.url)).unchanged


async def test_a_cookie_is_for_nobody(client: FleetClient) -> None:
    async with agent(told(GOOD, set_cookie="session=abc; Path=/")) as sticky:
        for _ in range(2):
            await readable(client, sticky.url)
    assert ["cookie" in asked.headers for asked in sticky.asked] == [False, False]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, dead_url: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, dead_url)
    async with agent(told(GOOD)) as well, FleetClient(TOKEN, timeout=30) as client:
        await readable(client, well.url)
